"""A bench on the real model, with rounds as small as can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.process import Children
from codex_windows_ai.models.folder import read_model_folder


@pytest.fixture
def children() -> Iterator[Children]:
    """Whatever a test starts ends with it."""
    children = Children()
    yield children
    children.end_all()


@pytest.fixture
def bench(default_model: Path, children: Children) -> Bench:
    """One round each, a soak of two seconds."""
    return Bench(read_model_folder(default_model), children=children, repeat=1, minutes=2 / 60)
