"""Several answers at once, as one sequence of pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from codex_windows_ai.protocol.answer import Delta


async def together(answers: Sequence[AsyncGenerator[Delta]]) -> AsyncGenerator[tuple[int, Delta]]:
    """The pieces of all answers as they come, each with the number of its own; the first one once all were accepted.

    Closing it closes all of them, and so does the first that fails.
    """
    waiting: dict[asyncio.Future[Delta], int] = {}
    try:
        accepted = [await anext(answer) for answer in answers]
        for number, delta in enumerate(accepted):
            yield number, delta
        waiting = {asyncio.ensure_future(anext(answer)): number for number, answer in enumerate(answers)}
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for piece in done:
                number = waiting.pop(piece)
                try:
                    delta = piece.result()
                except StopAsyncIteration:
                    continue
                waiting[asyncio.ensure_future(anext(answers[number]))] = number
                yield number, delta
    finally:
        for piece in waiting:
            piece.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for answer in answers:
            await answer.aclose()
