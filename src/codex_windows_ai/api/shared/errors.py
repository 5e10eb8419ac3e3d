"""The HTTP response to a request that failed before its stream began."""

from __future__ import annotations

import math

from starlette.responses import JSONResponse

from codex_windows_ai.errors import EngineBusyError, WindowsAiError
from codex_windows_ai.protocol.wire_errors import error_body


def error_response(error: WindowsAiError) -> JSONResponse:
    """The answer to a request that failed before its stream began."""
    headers = {"x-content-type-options": "nosniff"}
    if isinstance(error, EngineBusyError):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    if error.http_status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.http_status == 408:
        headers["connection"] = "close"  # the rest of the body must not be taken for the next request
    return JSONResponse(error_body(error), status_code=error.http_status, headers=headers)
