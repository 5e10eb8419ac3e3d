"""What every workload is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from codex_windows_ai.bench.ours import Ours
from codex_windows_ai.bench.peers import Peer
from codex_windows_ai.bench.process import Children
from codex_windows_ai.bench.side import Side
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.progress import Progress, silent

DEFAULT_REPEAT = 3
DEFAULT_MINUTES = 1.0


@dataclass(frozen=True)
class Bench:
    """The model, how often and how long, and whom else to compare with.

    `repeat` None leaves the number of rounds to the workload. `minutes` is for the soak.
    """

    folder: ModelFolder
    children: Children = field(default_factory=Children)
    progress: Progress = silent
    repeat: int | None = None
    minutes: float = DEFAULT_MINUTES
    peer: Peer | None = None
    threads: int | None = None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer."""
        return Tokenizer(self.folder.tokenizer_file)

    def rounds(self, default: int = DEFAULT_REPEAT) -> int:
        """How many rounds to run."""
        return self.repeat or default

    def ours(self, **configuration: Any) -> Ours:
        """An engine process; keyword arguments are fields of `EngineConfiguration`."""
        return Ours(self.children, self.folder, threads=self.threads, **configuration)


SideFactory = Callable[[], Side]


def in_turn(sides: Iterable[str], number: int) -> list[str]:
    """The order in round `number`: noise that comes and goes hits all sides, and none always goes first."""
    names = list(sides)
    return names if number % 2 == 0 else names[::-1]
