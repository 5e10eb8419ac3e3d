"""GET /openapi.json: the HTTP doors described, from the same models that check requests and write answers."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codex_windows_ai.host.chat.request import ChatRequest
from codex_windows_ai.host.chat.response import ChatCompletion, ChatCompletionChunk
from codex_windows_ai.host.responses.request import ResponsesRequest

_Schema = dict[str, Any]

# What every door but /health may answer instead, each in the same shape.
_ERRORS = {
    "400": "The request cannot be served as it is; `param` names what is wrong with it.",
    "401": "The bearer token is missing or another host's.",
    "403": "The Host or Origin header is a web site's.",
    "404": "No such model, or no such path.",
    "413": "The body is too large.",
    "429": "The queue is full; Retry-After says when to try again.",
    "500": "The host or the engine failed.",
    "501": "This machine has no such device or feature.",
    "503": "The model is not loaded, or the host is being ended.",
    "504": "The request's deadline passed.",
    "507": "The disk is full.",
}
_ERROR: _Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"enum": ["invalid_request_error", "rate_limit_error", "server_error"]},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
                "hint": {"type": ["string", "null"]},
                "details": {"type": "object"},
            },
        }
    },
}
_MODEL: _Schema = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by", "context_window"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer", "description": "Seconds since 1970."},
        "owned_by": {"type": "string"},
        "context_window": {"type": ["integer", "null"], "description": "Tokens of prompt and answer together."},
        "windows_ai": {"type": "object", "description": "Who answers where nothing special is asked."},
    },
}
_MODEL_LIST: _Schema = {
    "type": "object",
    "required": ["object", "data", "models"],
    "properties": {
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
        "models": {
            "type": "array",
            "items": {"type": "object", "required": ["slug", "context_window"]},
            "description": "The same models as Codex's catalogue describes them.",
        },
    },
}
_OBJECT: _Schema = {"type": "object"}
_RESPONSE: _Schema = {
    "type": "object",
    "required": ["id", "object", "created_at", "status", "model", "output", "usage", "windows_ai"],
    "properties": {"object": {"const": "response"}, "output": {"type": "array", "items": {"type": "object"}}},
}


async def openapi(request: Request) -> JSONResponse:
    """The document."""
    return JSONResponse(document())


@cache
def document() -> _Schema:
    """The OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "codex-windows-ai",
            "version": version("codex-windows-ai"),
            "description": "One on-device model, shared by every coding agent on the PC.",
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/chat/completions": {
                "post": _door(
                    "createChatCompletion",
                    "Continues a conversation.",
                    "ChatRequest",
                    _streamed(_ref("ChatCompletion"), _ref("ChatCompletionChunk")),
                )
            },
            "/v1/responses": {
                "post": _door("createResponse", "Answers a request.", "ResponsesRequest", _streamed(_RESPONSE, _OBJECT))
            },
            "/v1/models": {"get": _door("listModels", "The model that is served.", None, _json(_ref("ModelList")))},
            "/v1/models/{model}": {
                "parameters": [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}],
                "get": _door("retrieveModel", "One model by its name.", None, _json(_ref("Model"))),
            },
            "/health": {
                "get": {**_operation("health", "The process is alive.", {"200": _json(_OBJECT)}), "security": []}
            },
            "/ready": {
                "get": _door("ready", "Requests are answered at once.", None, _json(_OBJECT), unready=_json(_OBJECT))
            },
            "/status": {"get": _door("status", "What the host is doing.", None, _json(_OBJECT))},
            "/metrics": {
                "get": _door(
                    "metrics",
                    "The figures, for Prometheus.",
                    None,
                    {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {}}}},
                )
            },
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**_component_schemas(), "Error": _ERROR, "Model": _MODEL, "ModelList": _MODEL_LIST},
        },
    }


def _component_schemas() -> dict[str, _Schema]:
    # Answers in the mode "validation" too: fields that have a default may be left out of what is sent.
    models: list[type[BaseModel]] = [ChatRequest, ResponsesRequest, ChatCompletion, ChatCompletionChunk]
    _, schema = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    return schema["$defs"]


def _streamed(answer: _Schema, event: _Schema) -> _Schema:
    """One answer, or its pieces as server-sent events."""
    return {
        "description": "The answer, or with `stream` its pieces.",
        "content": {
            "application/json": {"schema": answer},
            "text/event-stream": {"schema": {"type": "string"}, "x-event-data": event},
        },
    }


def _door(operation_id: str, summary: str, body: str | None, answer: _Schema, **others: _Schema) -> _Schema:
    """An operation that may fail in any of the ways above."""
    responses = {"200": answer, **{status: _refusal(text) for status, text in _ERRORS.items()}}
    if "unready" in others:
        responses["503"] = others["unready"]
    operation = _operation(operation_id, summary, responses)
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    return operation


def _operation(operation_id: str, summary: str, responses: _Schema) -> _Schema:
    return {"operationId": operation_id, "summary": summary, "responses": responses}


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: _Schema) -> _Schema:
    return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}


def _refusal(description: str) -> _Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref("Error")}}}


routes = [Route("/openapi.json", openapi)]
