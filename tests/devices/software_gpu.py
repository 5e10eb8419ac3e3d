"""A machine with a graphics adapter, whose work a program does; `software_gpu.sh` says how."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.store import ModelStore
from tests.cli.program import environment_with
from tests.models.synthetic import Tiny

NAME = "0x1ae0 1ae0:c0de"
RIGHT = 24
"""Tokens that SwiftShader reads rightly: its vectors are narrower than the kernel for 32 and more expects."""


def run_with_gpu(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command on such a machine to its end."""
    return subprocess.run(
        [str(Path(__file__).with_suffix(".sh")), *command],
        env=environment_with(home),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        errors="replace",  # the tiny model writes halves of characters
        timeout=300,
        check=False,
    )


def sharp_model(factory: pytest.TempPathFactory, context: int) -> ModelFolder:
    """A tiny model on which wrong kernels show: each of its layers adds to what the one before did."""
    scratch = factory.mktemp("sharp")
    return ModelStore(scratch / "models").add(Tiny(context=context, layers=4).write(scratch / "tiny.gguf"), name="tiny")
