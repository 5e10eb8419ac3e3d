"""Home folders whose settings name the real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import ServedHost, make_home, stop_host_of


@pytest.fixture
def answering_home(served_host: ServedHost) -> Path:
    """The home folder of a host that all tests share, its model loaded."""
    return served_host.home


@pytest.fixture
def fresh_home(default_model: Path, tmp_path: Path) -> Iterator[Path]:
    """A home folder of the test's own, in which the real model answers and no host runs yet."""
    home = make_home(tmp_path / "home", default_model)
    yield home
    stop_host_of(home)


@pytest.fixture
def empty_home(tmp_path: Path) -> Iterator[Path]:
    """A home folder of the test's own without settings, models and host."""
    home = tmp_path / "empty"
    yield home
    stop_host_of(home)
