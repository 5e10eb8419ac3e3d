"""A bench with rounds as small as can be, on a small model, and on the real one where its answers matter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.process import Children
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.models.progress import silent
from tests.models.synthetic import Tiny

CONTEXT = 8192  # what is measured with is some thousand tokens long


@pytest.fixture(scope="session")
def measured_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model with random weights, on which every measured program is fast."""
    place = tmp_path_factory.mktemp("measured")
    target = place / "tiny"
    target.mkdir()
    convert(Tiny(context=CONTEXT).write(place / "tiny.gguf"), target, silent)
    return target


@pytest.fixture
def children() -> Iterator[Children]:
    """Whatever a test starts ends with it."""
    children = Children()
    yield children
    children.end_all()


@pytest.fixture
def bench(measured_model: Path, children: Children) -> Bench:
    """One round each, a soak of two seconds."""
    return make_bench(measured_model, children)


@pytest.fixture
def real_bench(default_model: Path, children: Children) -> Bench:
    """The same on the real model."""
    return make_bench(default_model, children)


def make_bench(model: Path, children: Children) -> Bench:
    return Bench(read_model_folder(model), children=children, repeat=1, minutes=2 / 60)
