"""Progress on standard error: a bar for a person, one line a stage for a log."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from codex_windows_ai.cli.output import is_terminal, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ProgressReporter:
    """The progress callback of a command; it may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stage = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressReporter:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `stage` has come to `done` of `total` units; a `total` of 0 is unknown."""
        with self._lock:
            if stage != self._stage:
                self._stage = stage
                self._begin(stage)
            if self._bar and self._task is not None:
                self._bar.update(self._task, completed=done, total=total or None)

    def close(self) -> None:
        """Take the bar off the screen."""
        with self._lock:
            if self._bar:
                self._bar.stop()
            self._bar = self._task = None

    def _begin(self, stage: str) -> None:
        if not is_terminal(sys.stderr):
            say(f"cwai: {stage}")
            return
        if not self._bar:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(stage, total=None)
