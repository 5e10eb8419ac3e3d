"""Measured processes: what they weigh, how they are driven through a pipe, and that none stays behind."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self

import psutil

from codex_windows_ai.bench.sides.side import Prompt, Reply
from codex_windows_ai.errors import EngineError

LONGEST_SECONDS = 600.0
"""How long anything asked of a measured process may take: a bench fails, it never hangs."""


class Children:
    """Every process the bench started, so that none outlives it however it ends."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[Any]] = []

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Starts a process; options as for `subprocess.Popen`."""
        process = subprocess.Popen(command, **options)
        self._processes.append(process)
        return process

    def end(self, process: subprocess.Popen[Any]) -> None:
        """Kills a process and what it started, and waits for it; harmless if it has ended."""
        for child in _tree(process.pid)[1:]:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
        process.wait()
        with suppress(ValueError):  # an interruption may end it in another thread at the same time
            self._processes.remove(process)

    def end_all(self) -> None:
        """Kills all that still run; for a bench that is interrupted."""
        for process in list(self._processes):
            self.end(process)


def memory_bytes(pid: int) -> int:
    """Physical memory that would be free without this process and its children.

    On Linux the proportional set size: a page that several processes share counts in parts.
    Elsewhere the unique set size, which leaves shared pages out.
    """
    total = 0
    for one in _tree(pid):
        try:
            memory = one.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        total += int(getattr(memory, "pss", memory.uss))
    return total


def _tree(pid: int) -> list[psutil.Process]:
    # A virtual environment's python.exe on Windows is a launcher: the work is done in its child.
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class Worker:
    """A Python process that speaks `Lines` of `workers/__init__.py`; as a side it answers prompts.

    Starting does not wait until it is ready. A context: the process ends with it.
    """

    def __init__(self, name: str, children: Children, module: str, *arguments: str) -> None:
        self.name = name
        self._children = children
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  # closed in `close`
        self.process = children.start(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
        )
        self._lock = threading.Lock()
        self._pending: dict[int, _Pending] = {}
        self._last_id = 0
        self._ready: Future[None] = Future()
        self._dead = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def wait_until_ready(self) -> None:
        """Waits for the model to be loaded. Raises EngineError: the process ended instead."""
        await _result(self._ready)

    async def ask(self, agent: int, question: Prompt) -> Reply:
        """The answer to the agent of that number. Raises EngineError: it failed, or did not come."""
        return await self.start(str(agent), question).result()

    def start(self, agent: str, question: Prompt) -> Running:
        """Asks for an answer without waiting for it. Raises EngineError: the process has ended."""
        message = {
            "prompt": list(question.tokens),
            "max_output_tokens": question.max_output_tokens,
            "agent": agent,
            "temperature": question.temperature,
        }
        return Running(self, *self._ask(message), len(question.tokens))

    async def statistics(self) -> dict[str, Any]:
        """The figures of the program; which, is its own matter."""
        _, pending = self._ask({"statistics": True})
        return await _result(pending.done)

    def send(self, message: dict[str, Any]) -> None:
        """Writes one message. Raises EngineError: nobody reads."""
        stream = self.process.stdin
        assert stream is not None  # noqa: S101  # opened as a pipe
        try:
            with self._lock:
                stream.write(json.dumps(message) + "\n")
                stream.flush()
        except OSError as error:
            raise self._ended() from error

    def memory_bytes(self) -> int:
        """Its physical memory now."""
        return memory_bytes(self.process.pid)

    def close(self) -> None:
        """Ends the process."""
        self._children.end(self.process)
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            if stream is not None:
                stream.close()

    def _ask(self, message: dict[str, Any]) -> tuple[int, _Pending]:
        with self._lock:
            self._last_id += 1
            number = self._last_id
            pending = self._pending[number] = _Pending(time.perf_counter())
            if self._dead:
                raise self._ended()
        self.send({"id": number, **message})
        return number, pending

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None  # noqa: S101  # opened as a pipe
        for line in stream:
            now = time.perf_counter()
            message: dict[str, Any] = json.loads(line)
            if message.get("ready"):
                self._ready.set_result(None)
            elif message.get("first"):
                self._pending[message["id"]].first = now
            else:
                pending = self._pending.pop(message["id"])
                pending.last = now
                if "error" in message:
                    pending.done.set_exception(EngineError(f"A measured process failed: {message['error']}"))
                else:
                    pending.done.set_result(message["done"])
        with self._lock:
            self._dead = True
            orphans = [pending.done for pending in self._pending.values()]
        for future in [self._ready, *orphans]:
            if not future.done():
                future.set_exception(self._ended())

    def _ended(self) -> EngineError:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return EngineError(
            f"A measured process ended: {lines[-1] if lines else 'it said nothing'}",
            hint="Is there memory enough for all of them? The bench cannot go on without it.",
        )


class _Pending:
    """A question that was asked; times are in seconds of `time.perf_counter`."""

    def __init__(self, asked: float) -> None:
        self.asked = asked
        self.first: float | None = None
        self.last = asked
        self.done: Future[dict[str, Any]] = Future()


class Running:
    """An answer that is on its way."""

    def __init__(self, worker: Worker, number: int, pending: _Pending, input_tokens: int) -> None:
        self._worker = worker
        self._number = number
        self._pending = pending
        self._input_tokens = input_tokens

    @property
    def started(self) -> bool:
        """The first token came."""
        return self._pending.first is not None

    def cancel(self) -> None:
        """Asks for its end; the reply still comes."""
        self._worker.send({"cancel": self._number})

    async def result(self) -> Reply:
        """Waits for the reply. Raises EngineError: it failed, or did not come."""
        done = await _result(self._pending.done)
        asked, first, last = self._pending.asked, self._pending.first, self._pending.last
        return Reply(
            tokens=tuple(done["tokens"]),
            first_token=(last if first is None else first) - asked,
            total=last - asked,
            input_tokens=self._input_tokens,
            cached_tokens=done["cached_tokens"],
            finish_reason=done["finish_reason"],
        )


async def _result(future: Future[Any]) -> Any:
    done, _ = await asyncio.wait([asyncio.wrap_future(future)], timeout=LONGEST_SECONDS)
    if not done:
        raise EngineError(
            f"A measured process gave no answer for {LONGEST_SECONDS:.0f} s.", hint="Is the machine busy?"
        )
    return done.pop().result()
