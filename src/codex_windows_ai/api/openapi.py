"""GET /openapi.json: the HTTP doors described, from the same models that check requests and write answers."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codex_windows_ai.api.anthropic.errors import VERSION_HEADER
from codex_windows_ai.api.anthropic.request import MessagesRequest
from codex_windows_ai.api.anthropic.response import EVENTS, Message
from codex_windows_ai.api.openai.chat.request import ChatRequest
from codex_windows_ai.api.openai.chat.response import ChatCompletion, ChatCompletionChunk
from codex_windows_ai.api.openai.completions.request import CompletionRequest
from codex_windows_ai.api.openai.completions.response import Completion
from codex_windows_ai.api.openai.responses.request import ResponsesRequest
from codex_windows_ai.serving.desk import Desk
from codex_windows_ai.version import release

_Schema = dict[str, Any]

_REQUESTS: dict[str, type[BaseModel]] = {
    "ChatRequest": ChatRequest,
    "ResponsesRequest": ResponsesRequest,
    "MessagesRequest": MessagesRequest,
    "CompletionRequest": CompletionRequest,
}

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
_ANTHROPIC_ERROR: _Schema = {
    "type": "object",
    "required": ["type", "error"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string", "pattern": "^(request_too_large|[a-z_]+_error)$"},
            },
        },
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
_ANTHROPIC_MODEL: _Schema = {
    "type": "object",
    "required": ["type", "id", "display_name", "created_at", "lifecycle", "max_input_tokens", "max_tokens"],
    "properties": {
        "type": {"const": "model"},
        "id": {"type": "string"},
        "created_at": {"type": "string", "format": "date-time"},
        "max_input_tokens": {"type": ["integer", "null"]},
    },
}
_ANTHROPIC_MODEL_LIST: _Schema = {
    "type": "object",
    "required": ["data", "has_more", "first_id", "last_id"],
    "properties": {
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/AnthropicModel"}},
        "has_more": {"const": False},
    },
}
_TOKENS: _Schema = {
    "type": "object",
    "required": ["input_tokens"],
    "properties": {"input_tokens": {"type": "integer", "minimum": 1}},
}
_VERSION: _Schema = {
    "name": VERSION_HEADER,
    "in": "header",
    "schema": {"type": "string"},
    "description": "Anthropic's clients send it, and get models and errors in the shape of their API.",
}
_OBJECT: _Schema = {"type": "object"}
_RESPONSE: _Schema = {
    "type": "object",
    "required": ["id", "object", "created_at", "status", "model", "output", "usage", "windows_ai"],
    "properties": {"object": {"const": "response"}, "output": {"type": "array", "items": {"type": "object"}}},
}
_PROMETHEUS: _Schema = {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {}}}}

_MESSAGES = [{"role": "user", "content": "Is it day or night in Tokyo?"}]
_ANSWER_SCHEMA = {"type": "object", "properties": {"answer": {"enum": ["day", "night"]}}, "required": ["answer"]}
_FUNCTION = {"name": "time_in", "parameters": {"type": "object", "properties": {"city": {"enum": ["Tokyo", "Paris"]}}}}
_CHAT_EXAMPLES: _Schema = {
    "plain": {"messages": _MESSAGES, "max_tokens": 20},
    "stream": {"messages": _MESSAGES, "max_tokens": 20, "stream": True, "stream_options": {"include_usage": True}},
    "seeded": {"messages": _MESSAGES, "max_tokens": 20, "seed": 1, "temperature": 1, "top_p": 0.9, "stop": ["."]},
    "schema": {
        "messages": _MESSAGES,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": _ANSWER_SCHEMA}},
        "logprobs": True,
        "top_logprobs": 2,
    },
    "tool": {
        "messages": _MESSAGES,
        "tools": [{"type": "function", "function": _FUNCTION}],
        "tool_choice": {"type": "function", "function": {"name": "time_in"}},
    },
}
_RESPONSES_EXAMPLES: _Schema = {
    "plain": {"input": "Is it day or night in Tokyo?", "max_output_tokens": 20},
    "stream": {"input": "Is it day or night in Tokyo?", "max_output_tokens": 20, "stream": True},
    "schema": {
        "input": "Is it day or night in Tokyo?",
        "text": {"format": {"type": "json_schema", "name": "answer", "schema": _ANSWER_SCHEMA}},
    },
    "tool": {"input": "What time is it?", "tools": [{"type": "function", **_FUNCTION}], "tool_choice": "required"},
}
_COMPLETION_EXAMPLES: _Schema = {
    "plain": {"prompt": "It is day in", "max_tokens": 20},
    "stream": {"prompt": ["It is day in", "It is night in"], "max_tokens": 20, "stream": True},
    "several": {"prompt": [1, 2, 3], "max_tokens": 20, "n": 2, "temperature": 1, "seed": 1, "logprobs": 2},
}
_MESSAGES_EXAMPLES: _Schema = {
    "plain": {"messages": _MESSAGES, "max_tokens": 20},
    "stream": {
        "messages": _MESSAGES,
        "max_tokens": 20,
        "stream": True,
        "system": [{"type": "text", "text": "Be brief."}],
    },
    "schema": {
        "messages": _MESSAGES,
        "max_tokens": 20,
        "output_config": {"format": {"type": "json_schema", "schema": _ANSWER_SCHEMA}},
    },
    "tool": {
        "messages": _MESSAGES,
        "max_tokens": 200,
        "tools": [{"name": "time_in", "input_schema": _FUNCTION["parameters"]}],
        "tool_choice": {"type": "any"},
    },
}


async def openapi(request: Request) -> JSONResponse:
    """The document; once the model is loaded, with the names that `model` may have."""
    desk: Desk = request.app.state.desk
    return JSONResponse(document(desk.served()))


@cache
def document(models: tuple[str, ...] = ()) -> _Schema:
    """The OpenAPI 3.1 document of a host that serves these models."""
    schemas = _component_schemas()
    for name in _REQUESTS:
        schemas[name]["properties"]["model"] = _model_name(models)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "codex-windows-ai",
            "version": release(),
            "description": "One on-device model, shared by every coding agent on the PC.",
        },
        "security": [{"token": []}],
        "paths": {
            **_openai_paths(models),
            **_messages_paths(models),
            **_model_paths(models),
            "/health": {
                "get": {**_operation("health", "The process is alive.", {"200": _json(_OBJECT)}), "security": []}
            },
            "/ready": {"get": _door("ready", "Requests are answered.", _json(_OBJECT), unready=_json(_OBJECT))},
            "/status": {"get": _door("status", "What the host is doing.", _json(_OBJECT))},
            "/statistics": {"get": _door("statistics", "The same, agent by agent.", _json(_OBJECT))},
            "/metrics": {"get": _door("metrics", "The figures, for Prometheus.", _PROMETHEUS)},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                **schemas,
                "Error": _ERROR,
                "Model": _MODEL,
                "ModelList": _MODEL_LIST,
                "AnthropicError": _ANTHROPIC_ERROR,
                "EitherError": _either("Error"),
                "AnthropicModel": _ANTHROPIC_MODEL,
                "AnthropicModelList": _ANTHROPIC_MODEL_LIST,
            },
        },
    }


def _openai_paths(models: tuple[str, ...]) -> _Schema:
    """OpenAI's APIs."""
    return {
        "/v1/chat/completions": {
            "post": _door(
                "createChatCompletion",
                "Continues a conversation.",
                _streamed(_ref("ChatCompletion"), _ref("ChatCompletionChunk"), error=_ref("Error"), end="[DONE]"),
                body="ChatRequest",
                examples=_with_model(_CHAT_EXAMPLES, models),
            )
        },
        "/v1/completions": {
            "post": _door(
                "createCompletion",
                "Goes on from texts as they are.",
                _streamed(_ref("Completion"), _ref("Completion"), error=_ref("Error"), end="[DONE]"),
                body="CompletionRequest",
                examples=_with_model(_COMPLETION_EXAMPLES, models),
            )
        },
        "/v1/responses": {
            "post": _door(
                "createResponse",
                "Answers a request.",
                _streamed(_RESPONSE, _OBJECT),
                body="ResponsesRequest",
                examples=_with_model(_RESPONSES_EXAMPLES, models),
            )
        },
    }


def _model_paths(models: tuple[str, ...]) -> _Schema:
    """What is served."""
    return {
        "/v1/models": {
            "parameters": [_VERSION],
            "get": _door("listModels", "The models that are served.", _json(_either("ModelList")), error="EitherError"),
        },
        "/v1/models/{model}": {
            "parameters": [
                {"name": "model", "in": "path", "required": True, "schema": _model_name(models)},
                _VERSION,
            ],
            "get": _door("retrieveModel", "One model by its name.", _json(_either("Model")), error="EitherError"),
        },
    }


def _messages_paths(models: tuple[str, ...]) -> _Schema:
    """Anthropic's API."""
    events: _Schema = {"anyOf": [_ref(event.__name__) for event in EVENTS]}
    examples = _with_model(_MESSAGES_EXAMPLES, models)
    create = _door(
        "createMessage",
        "Continues a conversation.",
        _streamed(_ref("Message"), events, error=_ref("AnthropicError")),
        body="MessagesRequest",
        examples=examples,
        error="AnthropicError",
    )
    count = _door(
        "countTokens",
        "Counts the tokens of a conversation.",
        _json(_TOKENS),
        body="MessagesRequest",
        examples=examples,
        error="AnthropicError",
    )
    return {"/v1/messages": {"post": create}, "/v1/messages/count_tokens": {"post": count}}


def _either(name: str) -> _Schema:
    """What OpenAI's clients are answered, or Anthropic's."""
    return {"anyOf": [_ref(name), _ref(f"Anthropic{name}")]}


def _component_schemas() -> dict[str, _Schema]:
    # Answers in the mode "validation" too: fields that have a default may be left out of what is sent.
    models: list[type[BaseModel]] = [
        *_REQUESTS.values(),
        ChatCompletion,
        ChatCompletionChunk,
        Completion,
        Message,
        *EVENTS,
    ]
    _, schema = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    return schema["$defs"]


def _streamed(answer: _Schema, event: _Schema, *, error: _Schema | None = None, end: str | None = None) -> _Schema:
    """One answer, or its pieces as server-sent events with JSON as their data, and after the last `error` or `end`."""
    data: _Schema = {"type": "string", "contentMediaType": "application/json", "contentSchema": event}
    if error is not None:
        data["contentSchema"] = {"anyOf": [event, error]}
    if end is not None:
        data = {"anyOf": [{"const": end}, data]}
    events = {"data": data, "event": {"type": "string"}}
    return {
        "description": "The answer, or with `stream` its pieces.",
        "content": {
            "application/json": {"schema": answer},
            "text/event-stream": {"schema": {"type": "object", "required": ["data"], "properties": events}},
        },
    }


def _door(
    operation_id: str,
    summary: str,
    answer: _Schema,
    *,
    body: str | None = None,
    examples: _Schema | None = None,
    unready: _Schema | None = None,
    error: str = "Error",
) -> _Schema:
    """An operation that may fail in any of the ways above; `unready` is what it answers with the status 503."""
    responses: _Schema = {"200": answer, **{status: _refusal(text, error) for status, text in _ERRORS.items()}}
    if unready is not None:
        responses["503"] = unready
    operation = _operation(operation_id, summary, responses)
    if body is not None:
        named = {name: {"value": value} for name, value in (examples or {}).items()}
        content = {"application/json": {"schema": _ref(body), "examples": named}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _operation(operation_id: str, summary: str, responses: _Schema) -> _Schema:
    return {"operationId": operation_id, "summary": summary, "responses": responses}


def _with_model(examples: _Schema, models: tuple[str, ...]) -> _Schema:
    model = models[0] if models else "MODEL"
    return {name: {"model": model, **body} for name, body in examples.items()}


def _model_name(models: tuple[str, ...]) -> _Schema:
    return {"type": "string", "enum": list(models)} if models else {"type": "string"}


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: _Schema) -> _Schema:
    return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}


def _refusal(description: str, error: str) -> _Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref(error)}}}


routes = [Route("/openapi.json", openapi)]
