"""GET /v1/models, in the shape of the API whose client asks."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codex_windows_ai.api.anthropic import models as anthropic
from codex_windows_ai.api.anthropic.errors import speaks_anthropic
from codex_windows_ai.api.openai import models as openai
from codex_windows_ai.serving.desk import Desk


async def list_models(request: Request) -> JSONResponse:
    """What is served, once it is loaded."""
    desk: Desk = request.app.state.desk
    models = await desk.models()
    if speaks_anthropic(request.scope):
        return JSONResponse(anthropic.model_list(models))
    return JSONResponse(openai.model_list(models, request.app.state.profiles))


async def retrieve_model(request: Request) -> JSONResponse:
    """One model by its name; without one, as a client that ends the list's path with a slash asks, the list."""
    if not request.path_params["model"]:
        return await list_models(request)
    desk: Desk = request.app.state.desk
    model = await desk.model(request.path_params["model"])
    return JSONResponse(anthropic.model_entry(model) if speaks_anthropic(request.scope) else openai.model_entry(model))


routes = [
    Route("/v1/models", list_models),
    Route("/v1/models/{model:path}", retrieve_model),
]
