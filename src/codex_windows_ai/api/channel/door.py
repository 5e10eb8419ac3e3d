"""The host's side of a channel: every request of its client runs as a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from dataclasses import replace

from codex_windows_ai.api.channel.forwarding import forward
from codex_windows_ai.api.shared.parsing import read_request
from codex_windows_ai.channel.channel import Channel, Message
from codex_windows_ai.channel.messages import FromClient, FromHost, delta_message
from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.errors import (
    ChannelClosedError,
    ChannelCorruptError,
    ChannelError,
    EngineBusyError,
    EngineError,
    WindowsAiError,
)
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.codec import encode_error, encode_source, encode_statistics
from codex_windows_ai.protocol.large_requests import LARGE, beside
from codex_windows_ai.protocol.prefixes import RecentPrefixes
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.wire_errors import fault_of
from codex_windows_ai.serving.desk import Desk

MOST_REQUESTS = 64
"""Of one channel at a time."""

MOST_UNREAD = 64
"""Answers of one channel that have ended and that the client has not read to their end."""

_log = logging.getLogger(__name__)


class ChannelDoor:
    """Serves the channels of one host."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._numbers = itertools.count(1)
        self.prefixes = RecentPrefixes()

    async def serve(self, channel: Channel, process: int) -> None:
        """Answers what comes over `channel` until its client, the process of that id, is gone.

        Then whatever it still asked for is cancelled. A client that breaks the protocol is let go.
        """
        client = _Client(self._desk, self.prefixes, channel, f"channel {next(self._numbers)} of process {process}")
        try:
            await client.serve()
        except ChannelClosedError:
            pass
        except ChannelCorruptError as error:
            _log.warning("%s is let go: %s", client.agent, error.message)
        finally:
            await client.cancel()


class _Client:
    """One channel's client; for fairness it is one agent."""

    def __init__(self, desk: Desk, prefixes: RecentPrefixes, channel: Channel, agent: str) -> None:
        self._desk = desk
        self.prefixes = prefixes
        self._channel = channel
        self.agent = agent
        self._running: dict[int, _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived: deque[Message] = deque()
        self._held_up: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Until the client is gone or breaks the protocol, which is raised.

        What it sends is handled in the very callback that tells of it. Only where there is no room for a reply this
        task waits, and takes nothing more from the client until it has read.
        """
        while True:
            self._channel.listen(self._take)
            await self._channel.send(await self._held_up)
            self._held_up = asyncio.get_running_loop().create_future()

    def _take(self) -> None:
        try:
            while not self._held_up.done():
                if not self._arrived:
                    self._arrived.extend(self._channel.take())
                if not self._arrived:
                    return
                reply = self._handle(self._arrived.popleft())
                if reply is not None and not self._channel.send_now(reply):
                    self._held_up.set_result(reply)
        except Exception as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        """Ends `serve`, and with it all requests."""
        if not self._held_up.done():
            self._held_up.set_exception(error)
        self._channel.close()

    def _handle(self, message: Message) -> Message | None:
        """Begins what a message asks for; a reply where there is one at once."""
        match message.kind:
            case FromClient.REQUEST:
                return self._start(message)
            case FromClient.CANCEL:
                if running := self._running.get(message.request):
                    running.cancel()
                return None
            case FromClient.STATISTICS:
                return self._statistics(message.request)
            case _:
                raise ChannelCorruptError(f"It sent a message of an unknown kind, {message.kind}.")

    async def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, message: Message) -> Message | None:
        number = message.request
        if number in self._running:
            raise ChannelCorruptError(f"It used the number {number} for two requests at once.")
        if len(self._running) >= MOST_REQUESTS:
            return _busy(number, f"{MOST_REQUESTS} requests of this channel run already.")
        if len(self._tasks) - len(self._running) >= MOST_UNREAD:
            return _busy(number, f"{MOST_UNREAD} answers of this channel wait to be read.")
        self._running[number] = running = _Running()
        task = asyncio.create_task(self._answer(number, running, message.payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    def _statistics(self, number: int) -> Message:
        statistics = self._desk.statistics()
        if statistics is None:
            return _refusal(number, EngineError("There are no figures: no engine is loaded (yet)."))
        return Message(FromHost.STATISTICS, number, encode_statistics(statistics))

    async def _answer(self, number: int, running: _Running, payload: bytes) -> None:
        try:
            with self._desk.serving(self.agent):
                await self._generate(number, running, payload)
        except ChannelError as error:
            self._end(error)
        except WindowsAiError as error:
            self._release(number, running)
            await self._fail(number, error)
        except Exception as error:  # the client must hear of a fault of ours, too
            _log.exception("A request over a channel failed")
            self._release(number, running)
            await self._fail(number, fault_of(error))
        finally:
            self._release(number, running)

    async def _generate(self, number: int, running: _Running, payload: bytes) -> None:
        request = await self._read(payload)
        tokens = request.top_logprobs is not None
        async with self._desk.submit(request, operation="generate") as (answer, measurement):
            running.begin(answer)

            def message_of(delta: Delta) -> Message:
                if delta.finish_reason is not None:
                    measurement.add(delta)
                    self._release(number, running)
                return delta_message(number, delta, tokens=tokens)

            await self._channel.send(Message(FromHost.SOURCE, number, encode_source(answer.source)))
            await forward(answer, self._channel, message_of, together=not tokens)

    async def _read(self, payload: bytes) -> GenerationRequest:
        """The request, which is noted; a large one keeps nobody waiting."""

        def read() -> GenerationRequest:
            request = replace(read_request(payload), agent=self.agent)
            self.prefixes.note(request)
            return request

        return read() if len(payload) < LARGE else await beside(len(payload), read)

    def _release(self, number: int, running: _Running) -> None:
        """Lets the client use the number again; before it hears of the end, because it may do so at once."""
        if self._running.get(number) is running:
            del self._running[number]

    async def _fail(self, number: int, error: WindowsAiError) -> None:
        with contextlib.suppress(ChannelError):  # `serve` hears of it as well
            await self._channel.send(_refusal(number, error))


def _busy(number: int, reason: str) -> Message:
    return _refusal(number, EngineBusyError(reason, retry_after=1.0))


def _refusal(number: int, error: WindowsAiError) -> Message:
    return Message(FromHost.ERROR, number, encode_error(error))


class _Running:
    """A request between its message and the end of its answer; it may be cancelled before it is generated."""

    def __init__(self) -> None:
        self._generation: Generation | None = None
        self._cancelled = False

    def begin(self, generation: Generation) -> None:
        self._generation = generation
        if self._cancelled:
            generation.cancel()

    def cancel(self) -> None:
        self._cancelled = True
        if self._generation is not None:
            self._generation.cancel()
