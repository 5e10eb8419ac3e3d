"""The client's side of a channel: requests out, each with a stream of its own coming back."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace
from types import TracebackType
from typing import Self

from codex_windows_ai.channel.channel import Channel, Message
from codex_windows_ai.channel.messages import FromClient, decode_answer
from codex_windows_ai.errors import ChannelClosedError, ChannelCorruptError, ChannelError, WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.codec import encode_request
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.statistics import EngineStatistics

Answer = AnswerSource | Delta | EngineStatistics | WindowsAiError


class ChannelClient:
    """A channel shared by any number of requests at once; an asynchronous context manager that owns it.

    `chosen` says in words why it leads to this runtime and not to another one.
    """

    def __init__(self, channel: Channel, *, chosen: str = "") -> None:
        self._channel = channel
        self.chosen = chosen
        self._numbers = itertools.count(1)
        self._answers: dict[int, _Answers] = {}

    @property
    def brokered_by(self) -> str:
        """Who made the channel."""
        return self._channel.brokered_by

    async def __aenter__(self) -> Self:
        self._channel.listen(self._hand_out)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(ChannelClosedError("The channel was closed on this side."))

    async def stream(
        self, request: GenerationRequest, *, cancel: asyncio.Event | None = None
    ) -> AsyncGenerator[AnswerSource | Delta]:
        """Who answers, then the answer's pieces; the last has its finish reason.

        Setting `cancel` ends the answer with the finish reason "cancelled"; closing the generator
        cancels it, too. Raises what the host says was wrong; ChannelClosedError: the host is gone.
        """
        number = next(self._numbers)
        answers = self._answers[number] = _Answers()
        cancelling = asyncio.create_task(self._cancel_on(cancel, number)) if cancel else None
        ended = False
        try:
            await self._channel.send(Message(FromClient.REQUEST, number, encode_request(request)))
            while not ended:
                answer = await answers.get()
                if isinstance(answer, Delta):
                    ended = answer.finish_reason is not None
                    yield answer
                elif isinstance(answer, AnswerSource):
                    yield replace(answer, transport="channel", brokered_by=self.brokered_by)
                elif isinstance(answer, WindowsAiError):
                    ended = True
                    raise answer
                else:
                    raise ChannelCorruptError("The host answered a request with its statistics.")
        finally:
            if cancelling is not None:
                cancelling.cancel()
            del self._answers[number]
            if not ended:
                await self._cancel(number)

    async def statistics(self) -> EngineStatistics:
        """The engine's figures.

        Raises EngineError: its model is not loaded yet. ChannelClosedError: the host is gone.
        """
        number = next(self._numbers)
        answers = self._answers[number] = _Answers()
        try:
            await self._channel.send(Message(FromClient.STATISTICS, number))
            answer = await answers.get()
        finally:
            del self._answers[number]
        if isinstance(answer, EngineStatistics):
            return answer
        raise answer if isinstance(answer, WindowsAiError) else ChannelCorruptError("The host sent no statistics.")

    async def _cancel_on(self, cancel: asyncio.Event, number: int) -> None:
        await cancel.wait()
        await self._cancel(number)

    async def _cancel(self, number: int) -> None:
        try:
            await self._channel.send(Message(FromClient.CANCEL, number))
        except ChannelError:
            return  # the host is gone, and with it the request

    def _hand_out(self) -> None:
        """Hands each message to its request; once the channel ends all requests end with the reason."""
        try:
            for message in self._channel.take():
                answer = decode_answer(message.kind, message.payload)
                if waiting := self._answers.get(message.request):  # else its request was given up
                    waiting.put(answer)
        except ChannelError as error:
            self._end(error)

    def _end(self, error: ChannelError) -> None:
        self._channel.close()
        for waiting in self._answers.values():
            waiting.put(error)


class _Answers:
    """What came for one request, for the one task that reads it; an `asyncio.Queue` does more and costs more."""

    def __init__(self) -> None:
        self._items: deque[Answer] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, answer: Answer) -> None:
        self._items.append(answer)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> Answer:
        while not self._items:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._items.popleft()
