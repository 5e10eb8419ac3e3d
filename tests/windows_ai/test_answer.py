"""An answer that somebody follows: whoever reads it, and however, the one who follows hears the same."""

from __future__ import annotations

import asyncio

import pytest

from codex_windows_ai.engine.generation import Generation, Stream
from codex_windows_ai.errors import EngineError, WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.windows_ai.answer import Answer, Piece

PIECES = [Delta("one "), Delta("two "), Delta("three", finish_reason="stop")]
SOURCE = AnswerSource("engine", "CPU: some", "CPUExecutionProvider", "tiny", "in-process")


def followed(*pieces: Delta | WindowsAiError) -> tuple[Answer, list[Piece]]:
    stream, heard = Stream(), list[Piece]()
    for piece in pieces:
        stream.put(piece)
    return Answer(Generation(stream, lambda: None, lambda: 0), SOURCE, heard.append), heard


async def iterate(answer: Answer) -> list[Delta]:
    return [delta async for delta in answer]


@pytest.mark.parametrize("read", [list, lambda answer: asyncio.run(iterate(answer)), Answer.take])
def test_each_piece_is_heard_of_as_it_is_read(read: object) -> None:
    answer, heard = followed(*PIECES)

    assert read(answer) == PIECES  # type: ignore[operator]
    assert heard == PIECES


def test_a_failure_is_heard_of_when_it_is_read() -> None:
    error = EngineError("the device is gone")
    answer, heard = followed(PIECES[0], error)

    assert answer.take() == PIECES[:1]
    assert heard == PIECES[:1]
    with pytest.raises(EngineError, match="the device is gone"):
        answer.take()
    assert heard == [PIECES[0], error]
    assert answer.take() is None
    assert heard == [PIECES[0], error]
