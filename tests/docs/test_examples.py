"""The examples run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.stem for example in EXAMPLES])
def test_an_example_runs(example: Path, user_environment: dict[str, str]) -> None:
    ran = subprocess.run(
        [sys.executable, example], env=user_environment, capture_output=True, encoding="utf-8", timeout=120
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_there_is_an_example_for_every_door() -> None:
    assert {example.stem for example in EXAMPLES} >= {"channel", "mcp_client", "openai_client", "python_api"}
