"""What the host logs, and where. It is bounded while the host runs: nothing that clients do fills a disk with it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

PERIOD_SECONDS = 60.0
MOST_OF_A_KIND = 10
"""How many records of a period may begin alike."""

MOST_RECORDS = 100
"""How many records a period may have, whatever they say."""

MOST_BYTES = 1_000_000
"""How large the log file may become; of a larger one the last half stays."""

_KIND_CHARACTERS = 60
_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class HostLog(logging.StreamHandler[TextIO]):
    """Writes to `stream`, by default standard error, only so many records in a period, and counts the others.

    `clock` is in seconds.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream or sys.stderr)
        self.setFormatter(logging.Formatter(_FORMAT))
        self._clock = clock
        self._began = clock()
        self._kinds: Counter[tuple[str, int, str]] = Counter()
        self._written = self._left_out = 0
        self._file: LogFile | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record, unless there were too many."""
        self._begin_period()
        kind = (record.name, record.levelno, str(record.msg)[:_KIND_CHARACTERS])
        self._kinds[kind] += 1
        if self._written >= MOST_RECORDS or self._kinds[kind] > MOST_OF_A_KIND:
            self._left_out += 1
            return
        self._written += 1
        super().emit(record)
        self.keep_small()

    def move_to(self, file: Path) -> None:
        """From now on this process's standard output and standard error, and so the log, are in a file."""
        self._file = LogFile(file)

    def keep_small(self) -> None:
        """Shortens the file, if there is one; others than the log write to it, too."""
        if self._file is not None:
            self._file.keep_small()

    def _begin_period(self) -> None:
        if self._clock() - self._began < PERIOD_SECONDS:
            return
        left_out = self._left_out
        self._began, self._written, self._left_out = self._clock(), 0, 0
        self._kinds.clear()
        if left_out:
            text = "%d more messages in a minute, like those above, were left out"
            super().emit(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (left_out,), None))


class LogFile:
    """What takes this process's standard output and standard error; nothing does where the file cannot be opened."""

    def __init__(self, file: Path) -> None:
        self._path = file
        try:
            self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            self._descriptor = os.open(os.devnull, os.O_WRONLY)
        for standard in (1, 2):
            os.dup2(self._descriptor, standard)

    def keep_small(self) -> None:
        """Leaves the last half of a file that has become too large."""
        with contextlib.suppress(OSError):
            size = os.fstat(self._descriptor).st_size
            if size <= MOST_BYTES:
                return
            with self._path.open("rb") as written:
                written.seek(size - MOST_BYTES // 2)
                last_half = written.read(MOST_BYTES // 2).partition(b"\n")[2]
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, last_half)
