"""All endpoints that programs ask: a new one is its folder and a line here."""

from __future__ import annotations

from codex_windows_ai.api import models, openapi
from codex_windows_ai.api.anthropic import routes as messages
from codex_windows_ai.api.native import routes as native
from codex_windows_ai.api.openai.chat import routes as chat
from codex_windows_ai.api.openai.completions import routes as completions
from codex_windows_ai.api.openai.responses import routes as responses

routes = [
    *models.routes,
    *openapi.routes,
    *chat.routes,
    *completions.routes,
    *responses.routes,
    *messages.routes,
    *native.routes,
]
