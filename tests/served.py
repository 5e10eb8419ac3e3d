"""`cwai serve` in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.program import COMMAND, cwai, environment_with, limited

PATIENCE = 60.0


@dataclass(frozen=True)
class ServedHost:
    """A host that listens; `home` is what `CODEX_WINDOWS_AI_HOME` must be for programs to find it."""

    home: Path
    process: subprocess.Popen[str]
    url: str
    token_file: Path

    @property
    def token(self) -> str:
        return self.token_file.read_text(encoding="utf-8").strip()

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


def make_home(folder: Path, model: Path) -> Path:
    """A home folder whose settings name a model by its path."""
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "settings.toml").write_text(f"model = {json.dumps(str(model))}\n", encoding="utf-8")
    return folder


def read_host_file(home: Path) -> dict[str, Any] | None:
    """The content of the discovery file; None where there is none."""
    file = home / "state" / "host.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


@contextmanager
def serving(home: Path, *options: str, limit: str = "", **environment: str) -> Generator[ServedHost]:
    """Runs `cwai serve` until the end of the block; `limit` are arguments of the shell's `ulimit`."""
    with subprocess.Popen(
        [*limited(limit), *COMMAND, "serve", "--port", "0", *options],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment_with(home, environment),
        encoding="utf-8",
    ) as process:
        try:
            assert process.stderr
            first = process.stderr.readline()
            assert first.startswith("cwai: listening on "), first + process.stderr.read()
            record = read_host_file(home)
            assert record is not None
            yield ServedHost(home, process, record["url"], Path(record["token_file"]))
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def what_it_said(host: ServedHost) -> str:
    """Ends a host; all that it wrote to standard error since it listens."""
    host.process.terminate()
    assert host.process.stderr
    said = host.process.stderr.read()
    host.process.wait(PATIENCE)
    return said


def stop_host_of(home: Path) -> None:
    """Ends whatever host was started on demand for `home`."""
    ran = cwai("stop", home=home)
    assert ran.exit_code == 0, ran.stderr
