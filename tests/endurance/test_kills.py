"""kill -9 at any moment: the next call works, every model is whole, no file of the user's is lost, nothing lies about.

Each round kills one program at a moment that is drawn from as long as the program took undisturbed.
`ENDURANCE_KILLS=50` runs as many rounds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from codex_windows_ai.models.store import ModelStore
from tests.cli.program import COMMAND, Ran, environment_with
from tests.endurance.lengths import KILLS
from tests.engine.tiny_model import make_tiny_model, write_gguf
from tests.served import PATIENCE, make_home, read_host_file, stop_host_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")

USERS = b'{\n\t"servers": {"mine": {"command": "mine"}}\n}'
ADDED, KEPT = "added", "kept"
EXEC = ("exec", "--use-windows-ai", "--max-output-tokens", "2", "hi")


@dataclass(frozen=True)
class Place:
    """A user's home: a model that was there before, an editor's configuration, and a host's files."""

    folder: Path
    home: Path

    @property
    def editor(self) -> Path:
        return self.folder / ".config" / "Code" / "User" / "mcp.json"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        variables = {"HOME": str(self.folder), "XDG_CONFIG_HOME": "", "TMPDIR": str(self.folder / "tmp")}
        return subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment_with(self.home, variables),
        )

    def run(self, *arguments: str) -> Ran:
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=4 * PATIENCE)
        return Ran(process.returncode, output.decode(), errors.decode())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("kills")
    (folder / "tmp").mkdir()
    place = Place(folder, make_home(folder / "home", make_tiny_model(folder).path))
    write_gguf(folder / "new.gguf", seed=1)
    place.editor.parent.mkdir(parents=True)
    place.editor.write_bytes(USERS)
    assert place.run("models", "add", str(folder / "tiny.gguf"), "--name", KEPT).exit_code == 0
    yield place
    stop_host_of(place.home)


@pytest.fixture(scope="module")
def durations(place: Place) -> Mapping[str, float]:
    """Seconds that each of the programs takes undisturbed."""

    def timed(*arguments: str) -> float:
        begin = time.monotonic()
        assert place.run(*arguments).exit_code == 0
        return time.monotonic() - begin

    stop_host_of(place.home)
    return {
        "start": timed(*EXEC),
        "answer": timed(*EXEC),
        "add": timed("models", "add", str(place.folder / "new.gguf"), "--name", ADDED),
        "write": timed("setup", "vscode", "--write"),
    }


def kill_a_host_that_starts(place: Place, moment: float) -> None:
    stop_host_of(place.home)
    kill(place.start("serve", "--port", "0"), moment)


def kill_a_host_that_answers(place: Place, moment: float) -> None:
    place.run(*EXEC)
    record = read_host_file(place.home)
    assert record is not None
    with place.start(*EXEC[:2], "--max-output-tokens", "400", "hi") as client:
        wait(client, moment)
        os.kill(record["pid"], signal.SIGKILL)
        _, errors = client.communicate(timeout=PATIENCE)
    assert client.returncode in (0, 5), errors  # it may have been done, or has found another host
    assert b"Traceback" not in errors


def kill_a_conversion(place: Place, moment: float) -> None:
    place.run("models", "remove", ADDED)
    kill(place.start("models", "add", str(place.folder / "new.gguf"), "--name", ADDED), moment)
    installed = {model.name for model in ModelStore(place.home / "cache" / "models").list()}
    assert installed <= {KEPT, ADDED}
    if ADDED not in installed:
        assert place.run("models", "add", str(place.folder / "new.gguf"), "--name", ADDED).exit_code == 0


def kill_a_change_of_another_programs_file(place: Place, moment: float) -> None:
    kill(place.start("setup", "vscode", "--write"), moment)
    assert json.loads(place.editor.read_bytes())["servers"]["mine"] == {"command": "mine"}
    written = place.run("setup", "vscode", "--write")
    assert written.exit_code == 0, written.stderr
    restored = place.run("setup", "vscode", "restore")
    assert restored.exit_code == 0, restored.stderr
    assert place.editor.read_bytes() == USERS
    assert [file.name for file in place.editor.parent.iterdir()] == [place.editor.name]


KINDS: Mapping[str, Callable[[Place, float], None]] = {
    "start": kill_a_host_that_starts,
    "add": kill_a_conversion,
    "answer": kill_a_host_that_answers,
    "write": kill_a_change_of_another_programs_file,
}


def kill(process: subprocess.Popen[bytes], moment: float) -> None:
    """Kills it then, unless it has ended by itself."""
    with process:
        wait(process, moment)
        process.kill()
        process.communicate()


def wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


@pytest.mark.parametrize("number", range(KILLS))
def test_after_a_kill_nothing_is_lost(number: int, place: Place, durations: Mapping[str, float]) -> None:
    kind = list(KINDS)[number % len(KINDS)]
    moment = durations[kind] * random.Random(f"round {number}").random()
    token = (place.home / "state" / "token").read_bytes()

    KINDS[kind](place, moment)

    asked = place.run(*EXEC)
    assert asked.exit_code == 0, asked.stderr
    models = place.home / "cache" / "models"
    for model in ModelStore(models).list():
        verified = place.run("models", "verify", model.name)
        assert verified.exit_code == 0, verified.stderr
    assert {entry.name for entry in models.iterdir() if entry.is_dir()} <= {KEPT, ADDED}
    assert (place.home / "state" / "token").read_bytes() == token
    assert [file.name for file in (place.home / "state").iterdir() if "~" in file.name] == []
    assert list((place.folder / "tmp").iterdir()) == []
