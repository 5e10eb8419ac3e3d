"""ONNX Runtime's telemetry is off before anything of ours loads it.

With `CI` in the environment it collects nothing anyway, so these tests take that away and show that they would notice.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import codex_windows_ai

# Loading the library is enough: it makes its database of waiting events with its environment.
LOAD = "import onnxruntime; onnxruntime.SessionOptions(); onnxruntime.get_available_providers()"

# The status quo of the benchmarks; it does the same when it reads a model's configuration.
LOAD_GENAI = """
import onnxruntime_genai
try:
    onnxruntime_genai.Config("absent")
except Exception:
    pass
"""

ENTRY_POINTS = ("cli.main", "host.process", "host.app", "client.execute", "codex.agent", "windows_ai.runtime")
# Dependencies of dependencies that can send: imported, hf_xet writes a log into the user's home before it is asked.
UNUSED = ("huggingface_hub", "hf_xet", "requests", "opentelemetry.sdk")


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


def test_the_benchmarks_status_quo_collects_none(tmp_path: Path) -> None:
    assert files_after(LOAD_GENAI, tmp_path / "plain") != []
    assert files_after(f"import codex_windows_ai\n{LOAD_GENAI}", tmp_path / "ours") == []


def test_libraries_that_can_send_are_not_loaded(tmp_path: Path) -> None:
    imports = "; ".join(f"import codex_windows_ai.{module}" for module in ENTRY_POINTS)
    script = f"{imports}; import sys; loaded = set({UNUSED}) & set(sys.modules); assert not loaded, loaded"

    assert files_after(script, tmp_path / "ours") == []


def test_who_imports_onnx_runtime_first_is_warned() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    script = "import onnxruntime; import codex_windows_ai"

    def errors(variables: dict[str, str]) -> str:
        command = [sys.executable, "-c", script]
        return subprocess.run(command, env=environment | variables, capture_output=True, encoding="utf-8").stderr

    assert "RuntimeWarning: onnxruntime was imported before codex_windows_ai" in errors({"CI": "true"})
    assert errors({"CI": "true", "ORT_DISABLE_TELEMETRY": "1"}) == ""


def test_one_module_imports_onnx_runtime() -> None:
    """It also makes the call that builds for Windows ML need."""
    folder = Path(codex_windows_ai.__file__).parent
    importing = {
        str(file.relative_to(folder))
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in imported(node)
        if name == "onnxruntime"
    }

    assert importing == {str(Path("hardware", "onnx_runtime.py"))}


def imported(node: ast.AST) -> list[str]:
    """The modules that a statement, or a call of `import_module`, imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        return [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    return []


def test_without_this_package_onnx_runtime_collects_telemetry(tmp_path: Path) -> None:
    assert "onnxruntime.db" in files_after(LOAD, tmp_path / "plain")


def test_programs_that_this_one_starts_collect_none_either(tmp_path: Path) -> None:
    started = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LOAD!r}], check=True)"

    assert files_after(f"import codex_windows_ai; {started}", tmp_path / "child") == []
