"""Windows ML, through Microsoft's Python package and a double of the library under it."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.wine.programs.scenarios import double, run
from tests.wine.windows import DOUBLES

sys.path.insert(0, str(DOUBLES))  # before the real package

from codex_windows_ai.cli.main import run as run_command
from codex_windows_ai.devices import windows_ml as ml
from codex_windows_ai.devices.gpu_path import find_gpu_path

NVIDIA = "NvTensorRtRtxExecutionProvider"


def described(provider: ml.CatalogProvider) -> dict[str, Any]:
    return asdict(provider) | {"library": provider.library and str(provider.library)}


def listed() -> list[dict[str, Any]]:
    return [described(provider) for provider in ml.list_providers()]


def not_ready() -> list[str]:
    with double(ep_state=1):
        return [provider.state for provider in ml.list_providers()]


def catalog_error() -> Any:
    with double(catalog_error="0x80070005"):
        return listed()


def gpu_path_before() -> dict[str, Any]:
    found = find_gpu_path()
    return {"path": found.path, "reason": found.reason, "fix": found.fix}


def unknown() -> Any:
    return ml.fetch_provider("Nothing")


def fetch_fails() -> Any:
    with double(fetch_error="0x80240438"):
        return ml.fetch_provider(NVIDIA)


def cancelled() -> Any:
    cancel = threading.Event()
    steps: list[int] = []

    def progress(stage: str, done: int, total: int) -> None:
        steps.append(done)
        if done == total:
            cancel.set()

    with double(endless=1):
        return ml.fetch_provider(NVIDIA, progress=progress, cancel=cancel)


def fetched() -> dict[str, Any]:
    steps: list[tuple[str, int, int]] = []
    provider = ml.fetch_provider(NVIDIA.upper(), progress=lambda *step: steps.append(step))
    return {"steps": steps, **described(provider)}


def registered() -> list[dict[str, Any]]:
    """The library is there for Windows ML and is none for ONNX Runtime, which says why."""
    ml.register_libraries()
    entries = ml.register_libraries(Path(sys.executable))
    return [asdict(entry) | {"library": str(entry.library)} for entry in entries]


def commands() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for arguments in (
        ["gpu", "list", "--json"],
        ["gpu", "path", "--json"],
        ["gpu", "fetch", "openvinoexecutionprovider"],
    ):
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = run_command(arguments)
        text = output.getvalue()
        document = json.loads(text) if "--json" in arguments else text
        found[" ".join(arguments[:2])] = {"code": code, "output": document, "errors": errors.getvalue()}
    return found


if __name__ == "__main__":
    run(
        listed,
        not_ready,
        catalog_error,
        gpu_path_before,
        unknown,
        fetch_fails,
        cancelled,
        fetched,
        registered,
        commands,
    )
