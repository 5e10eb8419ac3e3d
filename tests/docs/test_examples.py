"""The examples run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.served import ServedHost

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.stem for example in EXAMPLES])
def test_an_example_runs(example: Path, served_host: ServedHost) -> None:
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "CODEX_WINDOWS_AI_HOME": str(served_host.home),
    }

    ran = subprocess.run([sys.executable, example], env=environment, capture_output=True, encoding="utf-8", timeout=120)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_there_is_an_example_for_every_door() -> None:
    assert {example.stem for example in EXAMPLES} >= {"channel", "mcp_client", "openai_client", "python_api"}
