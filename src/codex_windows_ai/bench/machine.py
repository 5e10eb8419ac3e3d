"""Where a benchmark ran, and with which versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from codex_windows_ai.hardware.cpu import read_cpu
from codex_windows_ai.hardware.memory import read_memory

_PACKAGES = ("codex-windows-ai", "onnxruntime", "onnxruntime-windowsml", "onnxruntime-genai")
_LOOK_SECONDS = 1.0


def describe_machine() -> dict[str, Any]:
    """Processor, physical cores, what it has for matrices, memory in bytes, operating system.

    `busy_percent` is what other programs took of all cores during one second before the benchmark:
    figures of a busy machine are not worth quoting.
    """
    cpu = read_cpu()
    return {
        "cpu": cpu.name,
        "cores": cpu.physical_cores,
        "features": list(cpu.features),
        "memory": read_memory().total,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "busy_percent": psutil.cpu_percent(interval=_LOOK_SECONDS),
    }


def versions() -> dict[str, str]:
    """What is installed of all that takes part."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
