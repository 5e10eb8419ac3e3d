"""GET /v1/models: OpenAI's list, each model with its true window, and the catalogues of clients that have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codex_windows_ai.api.shared.profiles import ClientProfile
from codex_windows_ai.protocol.answered_by import answered_by
from codex_windows_ai.serving.desk import Desk
from codex_windows_ai.serving.served_model import ServedModel


async def list_models(request: Request) -> JSONResponse:
    """What is served, once it is loaded, for OpenAI clients (`data`) and for others by keys of their own."""
    desk: Desk = request.app.state.desk
    profiles: Sequence[ClientProfile] = request.app.state.profiles
    models = await desk.models()
    body: dict[str, Any] = {"object": "list", "data": [_entry(model) for model in models]}
    for profile in profiles:
        body |= profile.catalogue(models)
    return JSONResponse(body)


async def retrieve_model(request: Request) -> JSONResponse:
    """One model by its name; without one, as a client that ends the list's path with a slash asks, the list."""
    if not request.path_params["model"]:
        return await list_models(request)
    desk: Desk = request.app.state.desk
    return JSONResponse(_entry(await desk.model(request.path_params["model"])))


def _entry(model: ServedModel) -> dict[str, Any]:
    """OpenAI's `Model`; `context_window` in tokens, null where nobody can say."""
    entry: dict[str, Any] = {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
        "context_window": model.context_window,
    }
    if model.source is not None:
        entry["windows_ai"] = answered_by(model.source)
    return entry


routes = [
    Route("/v1/models", list_models),
    Route("/v1/models/{model:path}", retrieve_model),
]
