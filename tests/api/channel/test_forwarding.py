"""An answer on its way into a channel: nothing is lost, and nobody but the one who sends waits for a slow client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.api.channel.forwarding import forward
from codex_windows_ai.channel.channel import Channel, Message
from codex_windows_ai.channel.messages import decode_answer, delta_message
from codex_windows_ai.engine.generation import Generation, Stream
from codex_windows_ai.errors import ChannelClosedError, EngineError
from codex_windows_ai.protocol.answer import ChosenToken, Delta
from tests.host.channel.doubles import Pipe, Side

pytestmark = pytest.mark.anyio

SMALL = 4096
"""Bytes of memory: a ring of 1,920 each way."""


class Path:
    """An answer's writing end, the channel it is forwarded over, and the client at its end."""

    def __init__(self, *, tokens: bool = False, size: int = SMALL) -> None:
        pipe = Pipe(size)
        self.stream = Stream()
        self.host = Channel(Side(pipe, "runtime", "client"), client=False)
        self.client = Channel(Side(pipe, "client", "runtime"), client=True)
        answer = Generation(self.stream, cancel=lambda: None, queue_position=lambda: 0)

        def message_of(delta: Delta) -> Message:
            return delta_message(7, delta, tokens=tokens)

        self.sending = asyncio.create_task(forward(answer, self.host, message_of, together=not tokens))

    def say(self, text: str) -> Delta:
        delta = Delta(text, (ChosenToken(len(text)),))
        self.stream.put(delta)
        return delta

    def end(self) -> None:
        self.stream.put(Delta("the end", finish_reason="stop"))

    def read(self) -> list[Delta]:
        """What has come to the client."""
        found = [decode_answer(message.kind, message.payload) for message in self.client.take()]
        return [delta for delta in found if isinstance(delta, Delta)]

    async def read_to_the_end(self) -> list[Delta]:
        read: list[Delta] = []
        while not read or read[-1].finish_reason is None:
            answer = await self.client.receive()
            delta = decode_answer(answer.kind, answer.payload)
            assert isinstance(delta, Delta)
            read.append(delta)
        return read


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Path]:
    await settle()
    yield path
    path.sending.cancel()
    await asyncio.gather(path.sending, return_exceptions=True)
    path.client.close()
    path.host.close()


async def settle() -> None:
    """Lets everything happen that can without anybody doing anything."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_client_that_reads_gets_each_piece_when_it_comes() -> None:
    async with opened(Path()) as path:
        for word in ("one", "two"):
            path.say(word)
            await settle()
            assert [delta.text for delta in path.read()] == [word]
        path.end()
        await path.sending
        assert [(delta.text, delta.finish_reason) for delta in path.read()] == [("the end", "stop")]


async def test_a_piece_comes_without_the_task_being_woken() -> None:
    async with opened(Path()) as path:
        path.say("now")
        await asyncio.sleep(0)  # the one turn in which the callback runs
        assert [delta.text for delta in path.read()] == ["now"]


async def test_what_was_said_before_goes_in_one_message() -> None:
    path = Path()
    for word in ("one ", "two ", "three"):
        path.say(word)
    async with opened(path):
        assert [delta.text for delta in path.read()] == ["one two three"]


async def test_pieces_with_tokens_stay_apart() -> None:
    path = Path(tokens=True)
    said = [path.say(word) for word in ("one ", "two ", "three")]
    async with opened(path):
        assert path.read() == said


async def test_while_a_client_does_not_read_the_engine_goes_on_and_its_pieces_gather() -> None:
    async with opened(Path()) as path:
        texts = [f"{number:300}" for number in range(40)]  # six times what the ring holds
        for text in texts:
            path.say(text)  # would not return if it waited
            await settle()
        path.end()
        assert not path.sending.done()
        read = await path.read_to_the_end()
        await path.sending
        assert "".join(delta.text for delta in read) == "".join(texts) + "the end"
        assert len(read) < len(texts)


@given(st.lists(st.one_of(st.integers(0, 900), st.just("read"), st.just("turn")), max_size=40), st.booleans())
def test_whatever_the_pace_of_both_sides_the_client_reads_what_was_said(steps: list[int | str], tokens: bool) -> None:
    """A number is a piece of that length."""

    async def main() -> None:
        said: list[Delta] = []
        async with opened(Path(tokens=tokens)) as path:
            read: list[Delta] = []
            for number, step in enumerate(steps):
                if isinstance(step, int):
                    said.append(path.say(chr(97 + number % 26) * step))
                elif step == "read":
                    read += path.read()
                else:
                    await asyncio.sleep(0)
            path.end()
            read += await path.read_to_the_end()
            await path.sending
        assert "".join(delta.text for delta in read) == "".join(delta.text for delta in said) + "the end"
        if tokens:
            assert read[:-1] == said

    asyncio.run(main())


async def test_an_error_comes_after_what_was_said_before_it() -> None:
    path = Path()
    path.say("so far")
    path.stream.put(EngineError("the device is gone"))
    async with opened(path):
        assert [delta.text for delta in path.read()] == ["so far"]
        with pytest.raises(EngineError, match="the device is gone"):
            await path.sending


@pytest.mark.parametrize("full", [False, True])
async def test_a_client_that_goes_away_ends_it(full: bool) -> None:
    async with opened(Path()) as path:
        for _ in range(40 if full else 0):
            path.say("x" * 300)
            await settle()
        path.client.close()
        path.say("is anybody there?")
        with pytest.raises(ChannelClosedError):
            await path.sending


async def test_after_it_was_cancelled_nothing_more_is_sent() -> None:
    async with opened(Path()) as path:
        path.sending.cancel()
        await asyncio.gather(path.sending, return_exceptions=True)
        path.say("too late")
        await settle()
        assert path.read() == []


async def test_an_answer_that_ended_before_ends_it_at_once() -> None:
    path = Path()
    path.end()
    path.stream.get()  # by somebody else
    async with opened(path):
        await path.sending
        assert path.read() == []
