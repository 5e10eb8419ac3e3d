"""What a user who follows the documents has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import environment_with
from tests.docs.reader import Reader
from tests.served import ServedHost, make_home, stop_host_of


@pytest.fixture
def user_environment(served_host: ServedHost) -> dict[str, str]:
    """`cwai` on the path, and a host that runs."""
    return _environment(served_host.home)


@pytest.fixture
def reader(user_environment: dict[str, str], tmp_path: Path) -> Reader:
    """Somebody who types what is printed while a host runs."""
    return _reader(user_environment, tmp_path)


@pytest.fixture
def first_reader(default_model: Path, tmp_path: Path) -> Iterator[Reader]:
    """Somebody for whom no host runs yet, and who may end the one that he starts."""
    home = make_home(tmp_path / "ours", default_model)
    yield _reader(_environment(home), tmp_path)
    stop_host_of(home)


def _environment(home: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return environment_with(home, {"PATH": path})


def _reader(environment: dict[str, str], folder: Path) -> Reader:
    """In a repository with a change, with a home folder of his own, and with no way to a package index."""
    repository = folder / "repository"
    repository.mkdir()
    (folder / "codex").mkdir()
    # What the model says to this is short.
    (repository / "setup.py").write_text("# Prints a greeting.\nprint('good morning')\n", encoding="utf-8")
    (repository / "notes.txt").write_text("Buy milk.\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=repository, check=True)
    subprocess.run(["git", "add", "."], cwd=repository, check=True)
    (repository / "notes.txt").write_text("Buy bread.\n", encoding="utf-8")
    own = {"HOME": str(folder), "CODEX_HOME": str(folder / "codex")}
    offline = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return Reader(repository, environment | own | offline)
