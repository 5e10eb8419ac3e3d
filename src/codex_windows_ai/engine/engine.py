"""The engine in a thread of its own, for callers in any thread or event loop."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.generation import Generation, Stream
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import PoolFactory
from codex_windows_ai.engine.model import ConfigureSession
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sequence import Phase, Sequence
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import EngineClosedError, EngineError
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.statistics import EngineStatistics


class Engine:
    """One model for all callers. Loading takes a second or so; `close` ends what still runs.

    `configure_session` chooses a device, without it the CPU runs the model; `make_pool` says where keys and values are.

    Raises ModelFileError, UnsupportedModelError: the folder cannot be loaded.
    """

    def __init__(
        self,
        folder: ModelFolder,
        configuration: EngineConfiguration | None = None,
        *,
        configure_session: ConfigureSession | None = None,
        make_pool: PoolFactory = HostPool,
    ) -> None:
        self._core = EngineCore(folder, configuration, configure_session=configure_session, make_pool=make_pool)
        # Actions for the thread. A deque takes them without the lock, so that a finalizer may post
        # a cancellation from wherever the garbage collector runs it.
        self._inbox: deque[Callable[[], None]] = deque()
        self._arriving = 0
        self._changed = threading.Condition()
        self.closing = threading.Event()
        """Set once nothing more is taken: the engine was closed, or its thread ended."""
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()
        # A daemon thread that comes back from the runtime while the interpreter shuts down aborts the process.
        atexit.register(self.close)

    @property
    def core(self) -> EngineCore:
        """What runs in the thread; read its figures, leave its state alone."""
        return self._core

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer, for callers that encode their prompts."""
        return self._core.tokenizer

    def submit(self, request: EngineRequest) -> Generation:
        """Accepts a request and returns its stream.

        Raises InvalidRequestError, ContextLengthExceededError, InvalidGrammarError before any work;
        EngineBusyError when the queue is full; EngineClosedError after `close`.
        """
        stream = Stream()
        sequence = self._core.prepare(request, stream.put)
        with self._changed:
            if self.closing.is_set():
                raise EngineClosedError("The engine was shut down.")
            if len(self._core.scheduler.waiting) + self._arriving >= self._core.scheduler.waiting.limit:
                raise self._core.scheduler.busy_error(self._arriving)
            self._arriving += 1
            self._inbox.append(lambda: self._enqueue(sequence))
            self._changed.notify_all()
        return Generation(
            stream,
            cancel=lambda: self._inbox.append(lambda: self._core.cancel(sequence)),
            queue_position=lambda: self._queue_position(sequence),
            output_limit=sequence.max_output_tokens,
        )

    def post(self, action: Callable[[], None]) -> None:
        """Has the engine's thread run an action before its next step."""
        with self._changed:
            self._inbox.append(action)
            self._changed.notify_all()

    @property
    def posted(self) -> int:
        """Actions that the engine's thread has not begun: requests, cancellations, what was posted."""
        return len(self._inbox)

    @property
    def running(self) -> bool:
        """Its thread has not ended."""
        return self._thread.is_alive()

    def statistics(self) -> EngineStatistics:
        """Figures since the start."""
        return self._core.statistics()

    def close(self) -> None:
        """Ends the thread; requests that still wait or run end with EngineClosedError."""
        with self._changed:
            self.closing.set()
            self._changed.notify_all()
        self._thread.join()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _enqueue(self, sequence: Sequence) -> None:
        with self._changed:
            self._arriving -= 1
            self._core.enqueue(sequence)

    def _queue_position(self, sequence: Sequence) -> int:
        if sequence.phase is not Phase.WAITING:
            return 0
        return 1 + self._core.scheduler.waiting.position(sequence, self._core.scheduler.counters)

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                try:
                    self._take_inbox()
                    self._core.step()
                except Exception as error:  # a fault of ours must not leave callers waiting for ever
                    self._core.fail_all(EngineError(f"The engine failed: {error!r}"))
            self._take_inbox()
            self._core.fail_all(EngineClosedError("The engine was shut down while the request waited or ran."))
        finally:
            self.closing.set()  # without this thread nothing would be answered any more

    def _wait_for_work(self) -> bool:
        """True when there is something to do, False once the engine is to close."""
        with self._changed:
            self._changed.wait_for(lambda: self._inbox or self.closing.is_set() or not self._core.idle)
            return not self.closing.is_set()

    def _take_inbox(self) -> None:
        while self._inbox:
            self._inbox.popleft()()
