"""An answer over HTTP as a client of ours reads it: who gives it, then its pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from codex_windows_ai.client.http import HostClient
from codex_windows_ai.errors import HostError, HostUnreachableError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.codec import decode_delta, decode_error, decode_source, encode_request
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource

_PATH = "/generate"


async def stream_answer(
    client: HostClient, request: GenerationRequest, *, cancel: asyncio.Event | None = None
) -> AsyncGenerator[AnswerSource | Delta]:
    """Who answers, then the answer's pieces; the last has its finish reason, usage and timings.

    Setting `cancel` ends the answer with the finish reason "cancelled"; closing the generator
    cancels it, too. The host goes by the client's own name, not by `request.agent`.

    Raises what the host says was wrong; HostUnreachableError: it died, or does not answer any more.
    """
    canceller = asyncio.create_task(_cancel_on(cancel, client)) if cancel else None
    try:
        async with aclosing(client.stream(_PATH, encode_request(request))) as events:
            async for name, content in events:
                piece = _read(name, content.encode())
                if piece is not None:
                    yield piece
                    if isinstance(piece, Delta) and piece.finish_reason is not None:
                        return
    finally:
        if canceller:
            canceller.cancel()
    raise HostUnreachableError("The host's answer broke off before its end.", hint="Ask again.")


async def _cancel_on(cancel: asyncio.Event, client: HostClient) -> None:
    await cancel.wait()
    await client.post("/cancel", {})


def _read(name: str, content: bytes) -> AnswerSource | Delta | None:
    """What an event says. Raises the error of an answer that failed."""
    try:
        match name:
            case "source":
                return decode_source(content)
            case "delta":
                return decode_delta(content)
            case "error":
                raise decode_error(content)
            case _:
                return None
    except ValueError as error:
        raise HostError(f"The host sent what is no piece of an answer: {error}") from error
