"""GET /v1/models: OpenAI's list and Codex's catalogue in one body, each with the true window."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codex_windows_ai.errors import ModelNotFoundError
from codex_windows_ai.host.answered_by import answered_by
from codex_windows_ai.host.model_info import base_instructions, model_info
from codex_windows_ai.host.state import Host
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime


def check_model(wanted: str, runtime: WindowsAiRuntime) -> None:
    """Refuses a model that this host does not serve.

    Raises ModelNotFoundError: another name than that of the loaded model.
    """
    served = runtime.source.model
    if wanted != served:
        raise ModelNotFoundError(
            f"This host serves the model `{served}`, not `{wanted}`.",
            hint=f"Ask for `{served}`, or start a host with the model you want: `cwai serve --model {wanted}`.",
        )


async def list_models(request: Request) -> JSONResponse:
    """The loaded model, once it is loaded, for OpenAI clients (`data`) and for Codex (`models`)."""
    host: Host = request.app.state.host
    runtime = await host.runtime()
    catalogue = model_info(  # noqa: S604  # `shell` is a tool here, no process
        slug=runtime.source.model,
        context_window=runtime.model_folder.context_length,
        base_instructions=base_instructions(),
        apply_patch=True,  # its grammar keeps a small model to patches that parse; it costs 3 % of a window of 8,192
        shell=True,
    )
    return JSONResponse({"object": "list", "data": [_described(runtime)], "models": [catalogue]})


async def retrieve_model(request: Request) -> JSONResponse:
    """The loaded model by its name."""
    host: Host = request.app.state.host
    runtime = await host.runtime()
    check_model(request.path_params["model"], runtime)
    return JSONResponse(_described(runtime))


def _described(runtime: WindowsAiRuntime) -> dict[str, Any]:
    """OpenAI's `Model`, with the window in tokens."""
    folder = runtime.model_folder
    return {
        "id": runtime.source.model,
        "object": "model",
        "created": int(folder.model_file.stat().st_mtime),
        "owned_by": "codex-windows-ai",
        "context_window": folder.context_length,
        "windows_ai": answered_by(runtime.source),
    }


routes = [
    Route("/v1/models", list_models),
    Route("/v1/models/{model:path}", retrieve_model),
]
