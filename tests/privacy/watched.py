"""Programs run where nothing can leave the machine unseen, behind a proxy and with an empty home of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.program import Ran

WATCHER = Path(__file__).with_name("watcher.py")
PATIENCE = 280

# With `CI` a library that collects is silent; with the others this very test would do what the product has to.
LEFT_OUT = ("CI", "ORT_DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY", "NO_PROXY", "no_proxy")


@dataclass(frozen=True)
class Watched:
    """How each command ended, what would have left the machine, and which files are new in the user's home."""

    ran: Sequence[Ran]
    seen: Sequence[str]
    files: Sequence[str]


def watch(
    commands: Sequence[Sequence[str]],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    beside: Sequence[str] = (),
) -> Watched:
    """Runs commands one after another, `beside` a program that says a line first; every process ends with the last.

    The user's home is made below `folder`.
    """
    user = folder / "user"
    user.mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in LEFT_OUT and not name.startswith(("CODEX_", "XDG_"))
    }
    asked = {
        "commands": [list(command) for command in commands],
        "beside": list(beside),
        "environment": kept | {"HOME": str(user), "TMPDIR": str(folder / "tmp")} | dict(environment or {}),
    }
    namespaces = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    done = subprocess.run(
        ["unshare", *namespaces, sys.executable, str(WATCHER)],
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"needs `ip` (iproute2) and user namespaces: {done.stderr}"
    answer = json.loads(done.stdout)
    files = [str(file.relative_to(user)) for file in sorted(user.rglob("*")) if file.is_file()]
    return Watched([Ran(**ran) for ran in answer["ran"]], answer["seen"], files)
