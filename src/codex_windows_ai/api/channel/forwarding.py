"""An answer on its way into a channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from codex_windows_ai.channel.channel import Channel, Message
from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.protocol.answer import Delta, joined


async def forward(
    answer: Generation, channel: Channel, message_of: Callable[[Delta], Message], *, together: bool
) -> None:
    """Sends the pieces of an answer as they come, up to the last.

    They are written in the very callback that tells of them: waking a task for each costs as much as all the rest.
    Only where the channel has no room, the task waits for it. The engine goes on meanwhile: its pieces gather.

    `message_of` makes a message of a piece; with `together`, of all that gathered, and without their tokens.

    Raises what the answer raises, and what `Channel.send` does.
    """
    ended = False
    while not ended:
        sending = _Sending(answer, channel, message_of, together=together)
        left, ended = await sending.outcome
        for message in left:
            await channel.send(message)


class _Sending:
    """Sends what comes until that was the last or there is no room; its outcome: what found none, and which it was."""

    def __init__(
        self, answer: Generation, channel: Channel, message_of: Callable[[Delta], Message], *, together: bool
    ) -> None:
        self._answer = answer
        self._channel = channel
        self._message_of = message_of
        self._together = together
        self.outcome: asyncio.Future[tuple[list[Message], bool]] = asyncio.get_running_loop().create_future()
        self._send()

    def _send(self) -> None:
        if self.outcome.done():  # who waited for it was cancelled
            return
        try:
            deltas = self._answer.take()
            ended = deltas is None or (bool(deltas) and deltas[-1].finish_reason is not None)
            messages = [self._message_of(delta) for delta in self._gathered(deltas or [])]
            while messages and self._channel.send_now(messages[0]):
                del messages[0]
        except Exception as error:
            self.outcome.set_exception(error)
            return
        if messages or ended:
            self.outcome.set_result((messages, ended))
        else:
            self._answer.listen_once(self._send)

    def _gathered(self, deltas: list[Delta]) -> list[Delta]:
        if not self._together or len(deltas) < 2:
            return deltas
        return [joined(deltas)]
