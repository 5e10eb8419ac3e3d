"""ONNX Runtime's telemetry is off before anything of ours loads it.

With `CI` in the environment it collects nothing anyway, so these tests take that away and show that they would notice.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Loading the library is enough: it makes its database of waiting events with its environment.
LOAD = "import onnxruntime; onnxruntime.SessionOptions(); onnxruntime.get_available_providers()"


def files_after(script: str, home: Path) -> list[str]:
    """What a Python program leaves in its user's home."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CI", "ORT_DISABLE_TELEMETRY") and not name.startswith("XDG_")
    }
    home.mkdir()
    subprocess.run([sys.executable, "-c", script], env=environment | {"HOME": str(home)}, check=True, timeout=120)
    return [file.name for file in home.rglob("*") if file.is_file()]


@pytest.mark.parametrize("module", ["errors", "engine.model", "hardware.inference", "cli.main"])
def test_whichever_module_is_imported_first_no_telemetry_is_collected(module: str, tmp_path: Path) -> None:
    script = f"import codex_windows_ai.{module}; {LOAD}"

    assert files_after(script, tmp_path / "ours") == []


def test_without_this_package_onnx_runtime_collects_telemetry(tmp_path: Path) -> None:
    assert "onnxruntime.db" in files_after(LOAD, tmp_path / "plain")


def test_programs_that_this_one_starts_collect_none_either(tmp_path: Path) -> None:
    started = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LOAD!r}], check=True)"

    assert files_after(f"import codex_windows_ai; {started}", tmp_path / "child") == []
