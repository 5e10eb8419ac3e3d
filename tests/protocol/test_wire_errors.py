"""Errors in OpenAI's shape, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codex_windows_ai.api.errors import error_response
from codex_windows_ai.errors import (
    AuthenticationError,
    ContextLengthExceededError,
    EngineBusyError,
    EngineClosedError,
    InvalidRequestError,
    ModelNotFoundError,
    ProviderNotAvailableError,
    WindowsAiError,
)
from codex_windows_ai.protocol.wire_errors import error_body, error_from_body

CHAT: dict[str, Any] = {"type": "http", "path": "/v1/chat/completions", "headers": []}
"""A request of OpenAI's API."""

ERRORS = [
    WindowsAiError("It broke."),
    InvalidRequestError("A wrong value.", hint="Send another.", param="messages[0].content"),
    ContextLengthExceededError(prompt_tokens=9000, context_length=8192),
    ModelNotFoundError("No such model.", hint="Add it."),
    EngineBusyError("Full.", retry_after=2.5),
    EngineClosedError("It ended."),
    AuthenticationError("Who is there?"),
    ProviderNotAvailableError("Not open.", hint="Ask another."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_back_as_it_was(error: WindowsAiError) -> None:
    back = error_from_body(json.loads(json.dumps(error_body(error))))

    assert type(back) is type(error)
    assert back is not None
    assert (str(back), back.hint) == (error.message, error.hint)
    assert {name: value for name, value in vars(back).items() if name in vars(error)} == vars(error)


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (ERRORS[0], 500, "server_error", "internal_error"),
        (ERRORS[1], 400, "invalid_request_error", "invalid_request"),
        (ERRORS[2], 400, "invalid_request_error", "context_length_exceeded"),
        (ERRORS[3], 404, "invalid_request_error", "model_not_found"),
        (ERRORS[4], 429, "rate_limit_error", "rate_limit_exceeded"),
        (ERRORS[5], 503, "server_error", "engine_closed"),
        (ERRORS[6], 401, "invalid_request_error", "invalid_api_key"),
        (ERRORS[7], 400, "invalid_request_error", "provider_not_available"),
    ],
)
def test_status_type_and_code_are_those_that_clients_know(
    error: WindowsAiError, status: int, kind: str, code: str
) -> None:
    response = error_response(error, CHAT)
    described = json.loads(bytes(response.body))["error"]

    assert (response.status_code, described["type"], described["code"]) == (status, kind, code)


def test_the_message_that_clients_show_ends_with_the_hint() -> None:
    described = error_body(ERRORS[1])["error"]

    assert described["message"] == "A wrong value. Send another."
    assert described["param"] == "messages[0].content"


def test_a_busy_host_says_in_whole_seconds_when_to_come_back() -> None:
    assert error_response(ERRORS[4], CHAT).headers["retry-after"] == "3"


@pytest.mark.parametrize("body", [None, [], {}, {"error": "text"}, {"error": {}}, {"error": {"message": 1}}])
def test_a_body_of_another_kind_is_no_error_of_ours(body: Any) -> None:
    assert error_from_body(body) is None


def test_an_error_of_another_version_keeps_its_message() -> None:
    back = error_from_body({"error": {"message": "New trouble.", "code": "not_known_here"}})

    assert type(back) is WindowsAiError
    assert str(back) == "New trouble."


def test_what_an_error_quotes_of_a_request_can_be_sent() -> None:
    error = InvalidRequestError("\udc80 is wrong.", hint="\ud800", param="\ud800")

    sent = error_response(error, CHAT).body.decode("utf-8")

    assert sent.count("\ufffd") == 4
