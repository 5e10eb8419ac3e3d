"""GET /v1/models: OpenAI's list and Codex's catalogue in one body, each with the true window."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codex_windows_ai.api.openai.model_info import base_instructions, can_use_tools, model_info
from codex_windows_ai.errors import EngineError, ModelNotFoundError
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.answered_by import answered_by
from codex_windows_ai.serving.state import Host
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime


def check_model(wanted: str, runtime: WindowsAiRuntime) -> None:
    """Refuses a model that this host does not serve.

    Raises ModelNotFoundError: another name than those of the models that answer here.
    """
    served = served_models(runtime)
    if wanted not in served:
        names = " and ".join(f"`{name}`" for name in served)
        raise ModelNotFoundError(
            f"This host serves {names}, not `{wanted}`.",
            hint=f"Ask for {names}, or start a host with the model you want: `cwai serve --model {wanted}`.",
        )


def served_models(runtime: WindowsAiRuntime) -> tuple[str, ...]:
    """Names of the models that answer here, who answers first."""
    folder = _engine_model(runtime)
    names = [runtime.source.model] if folder is None else [runtime.source.model, folder.name]
    return tuple(dict.fromkeys(names))


async def list_models(request: Request) -> JSONResponse:
    """What is served, once it is loaded, for OpenAI clients (`data`) and for Codex (`models`)."""
    host: Host = request.app.state.host
    runtime = await host.runtime()
    return JSONResponse({"object": "list", "data": _entries(runtime), "models": _catalogue(host, runtime)})


async def retrieve_model(request: Request) -> JSONResponse:
    """One model by its name."""
    host: Host = request.app.state.host
    runtime = await host.runtime()
    wanted = request.path_params["model"]
    check_model(wanted, runtime)
    return JSONResponse(next(entry for entry in _entries(runtime) if entry["id"] == wanted))


def _entries(runtime: WindowsAiRuntime) -> list[dict[str, Any]]:
    """OpenAI's `Model` of each, who answers first; `context_window` in tokens, null where nobody can say."""
    folder = _engine_model(runtime)
    entries = [_entry(name, folder) for name in served_models(runtime)]
    entries[0]["windows_ai"] = answered_by(runtime.source)
    return entries


def _entry(name: str, engine: ModelFolder | None) -> dict[str, Any]:
    folder = engine if engine is not None and engine.name == name else None
    return {
        "id": name,
        "object": "model",
        "created": int(folder.model_file.stat().st_mtime) if folder else 0,
        "owned_by": "codex-windows-ai" if folder else "windows",
        "context_window": folder.context_length if folder else None,
    }


def _catalogue(host: Host, runtime: WindowsAiRuntime) -> list[dict[str, Any]]:
    """Codex works with tools, so it is offered the model that takes them: the engine's."""
    folder = _engine_model(runtime)
    if folder is None:
        return []
    tools = can_use_tools(folder) if host.settings.codex_tools is None else host.settings.codex_tools
    info = model_info(
        slug=folder.name,
        context_window=folder.context_length,
        base_instructions=base_instructions(),
        tools=tools,
    )
    return [info]


def _engine_model(runtime: WindowsAiRuntime) -> ModelFolder | None:
    try:
        return runtime.model_folder
    except EngineError:  # Windows' own language model answers alone
        return None


routes = [
    Route("/v1/models", list_models),
    Route("/v1/models/{model:path}", retrieve_model),
]
