"""What every workload is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from codex_windows_ai.bench.process import Children
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.progress import Progress, silent

DEFAULT_REPEAT = 3
DEFAULT_MINUTES = 1.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A llama-server program and the GGUF file it is to serve."""

    program: Path
    model: Path


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

    def turns(self, workload: str, cases: Iterable[str], number: int, total: int) -> Iterator[str]:
        """The cases of round `number` of `total` in their turn; each is reported as it begins."""
        for case in in_turn(cases, number):
            self.progress(f"{workload}: {case}, round {number + 1} of {total}", 0, 0)
            yield case


def in_turn(cases: Iterable[str], number: int) -> list[str]:
    """The order in round `number`: noise that comes and goes hits all cases, and none always goes first."""
    names = list(cases)
    return names if number % 2 == 0 else names[::-1]
