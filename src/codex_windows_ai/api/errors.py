"""The HTTP response to a request that failed before its stream began, in the shape of the API that it is of."""

from __future__ import annotations

import math
from collections.abc import Mapping

from starlette.responses import JSONResponse
from starlette.types import Scope

from codex_windows_ai.api.anthropic.errors import anthropic_error, as_anthropic, speaks_anthropic
from codex_windows_ai.errors import EngineBusyError, WindowsAiError
from codex_windows_ai.protocol.wire_errors import error_body


def error_response(error: WindowsAiError, scope: Scope) -> JSONResponse:
    """The answer to a request of this `scope`."""
    headers = {"x-content-type-options": "nosniff"}
    if isinstance(error, EngineBusyError):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    if error.http_status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.http_status == 408:
        headers["connection"] = "close"  # the rest of the body must not be taken for the next request
    body = anthropic_error(error) if speaks_anthropic(scope) else error_body(error)
    return JSONResponse(body, status_code=error.http_status, headers=headers)


def shaped(body: Mapping[str, Mapping[str, object]], status: int, scope: Scope) -> dict[str, object]:
    """An error that is no WindowsAiError, described as OpenAI's clients read it, for the API of a request."""
    return as_anthropic(dict(body["error"]), status) if speaks_anthropic(scope) else {**body}
