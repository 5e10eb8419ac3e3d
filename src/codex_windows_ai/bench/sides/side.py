"""What is compared: a side answers several agents at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

Question = TypeVar("Question")
Question_in = TypeVar("Question_in", contravariant=True)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids without chat markup; the answer has exactly `max_output_tokens` tokens."""

    tokens: Sequence[int]
    max_output_tokens: int
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class SmallRequest:
    """A fixed instruction and a short item; the answer is one of `choices`."""

    instruction: str
    item: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as its client saw it: `tokens` to a `Prompt`, `text` to a `SmallRequest`.

    `first_token` and `total` are in seconds from asking; they are equal where an answer comes in one piece.
    """

    first_token: float
    total: float
    tokens: tuple[int, ...] = ()
    text: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    finish_reason: str = ""


class Side(Protocol[Question_in]):
    """One way of serving agents. Made ready (processes started, model loaded) before a clock runs."""

    @property
    def name(self) -> str:
        """What it is called in errors."""
        ...

    async def ask(self, agent: int, question: Question_in) -> Reply:
        """The answer to the agent of that number. Raises EngineError: it failed, or did not come."""
        ...

    def memory_bytes(self) -> int:
        """Physical memory of all its processes now."""
        ...


Starting = AbstractAsyncContextManager[Side[Question]]
"""Makes a side ready, and ends its processes."""
Start = Callable[[], Starting[Question]]


async def timed(answer: Awaitable[str]) -> Reply:
    """The reply of a side that answers in one piece."""
    asked = time.perf_counter()
    text = await answer
    total = time.perf_counter() - asked
    return Reply(first_token=total, total=total, text=text)


class OneAtATime(Generic[Question]):
    """Puts the requests of all agents in one line, first come, first served.

    With the same side, what is faster without the line is what batching gives.
    """

    def __init__(self, side: Side[Question]) -> None:
        self.name = f"{side.name}, one request at a time"
        self._side = side
        self._line = asyncio.Lock()

    async def ask(self, agent: int, question: Question) -> Reply:
        """The answer, once every earlier question has its own; its times include that wait."""
        asked = time.perf_counter()
        async with self._line:
            reply = await self._side.ask(agent, question)
        waited = time.perf_counter() - asked - reply.total
        return replace(reply, first_token=reply.first_token + waited, total=reply.total + waited)

    def memory_bytes(self) -> int:
        """Physical memory of the side's processes now."""
        return self._side.memory_bytes()


@asynccontextmanager
async def one_at_a_time(starting: Starting[Question]) -> AsyncGenerator[OneAtATime[Question]]:
    """The side behind a line."""
    async with starting as side:
        yield OneAtATime(side)


class OneEach(Generic[Question]):
    """A side of its own for each agent."""

    def __init__(self, name: str, sides: Sequence[Side[Question]]) -> None:
        self.name = name
        self._sides = sides

    async def ask(self, agent: int, question: Question) -> Reply:
        """The answer of the agent's own side."""
        return await self._sides[agent].ask(agent, question)

    def memory_bytes(self) -> int:
        """Physical memory of all sides' processes now."""
        return sum(side.memory_bytes() for side in self._sides)


@asynccontextmanager
async def one_each(name: str, startings: Sequence[Starting[Question]]) -> AsyncGenerator[OneEach[Question]]:
    """The sides, started one after another."""
    async with AsyncExitStack() as stack:
        yield OneEach(name, [await stack.enter_async_context(starting) for starting in startings])
