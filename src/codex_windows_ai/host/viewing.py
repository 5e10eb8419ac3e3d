"""How a browser may look at the statistics without ever having the host's token.

Whoever has the token asks for a code, which stands in a link and works once. The page changes it for
a token of its own, which reads the statistics and opens no other door. So nothing of worth is in the
browser's history, or in the arguments of the program that opened it, which other users can read.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codex_windows_ai.errors import AuthenticationError

CODE_SECONDS = 300.0
MOST_CODES = MOST_TOKENS = 16
"""The oldest gives way."""

CODES_PATH = "/view/codes"
TOKENS_PATH = "/view/tokens"


class Viewing:
    """The codes and tokens of one host; they end with it. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._codes: deque[tuple[str, float]] = deque(maxlen=MOST_CODES)
        self._tokens: deque[str] = deque(maxlen=MOST_TOKENS)

    def issue_code(self) -> str:
        """A code that `redeem` takes once, within CODE_SECONDS."""
        code = secrets.token_urlsafe()
        self._codes.append((code, self._clock()))
        return code

    def redeem(self, given: str) -> str:
        """The token that a code stands for. Raises AuthenticationError: not a code, used before, or too old."""
        for code, issued_at in tuple(self._codes):
            if secrets.compare_digest(code.encode(), given.encode()):
                self._codes.remove((code, issued_at))
                if self._clock() - issued_at <= CODE_SECONDS:
                    self._tokens.append(secrets.token_urlsafe())
                    return self._tokens[-1]
        raise AuthenticationError(
            "This link has been used, or is too old.", hint="`cwai top --web` makes another; each works once."
        )

    def allows(self, token: bytes) -> bool:
        """Whether this is a token that reads the statistics."""
        return any(secrets.compare_digest(own.encode(), token) for own in self._tokens)


async def issue_code(request: Request) -> JSONResponse:
    """A code for a link to the live page: `code`, and `seconds` for which it works."""
    return JSONResponse({"code": request.app.state.viewing.issue_code(), "seconds": CODE_SECONDS})


async def redeem_code(request: Request) -> JSONResponse:
    """A `token` for the code that comes as the bearer token."""
    _, _, code = request.headers.get("authorization", "").partition(" ")
    return JSONResponse({"token": request.app.state.viewing.redeem(code.strip())})


routes = [
    Route(CODES_PATH, issue_code, methods=["POST"]),
    Route(TOKENS_PATH, redeem_code, methods=["POST"]),
]
paths = frozenset(route.path for route in routes)
