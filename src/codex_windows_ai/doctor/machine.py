"""Checks of the machine: Python, processor, memory, disk, graphics adapters, execution providers."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from codex_windows_ai.doctor.report import Check, Finding
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.hardware.adapters import list_linux_adapters
from codex_windows_ai.hardware.cpu import read_cpu
from codex_windows_ai.hardware.experts import multiplies_experts, multiplies_mxfp4
from codex_windows_ai.hardware.inference import execution_providers, try_provider
from codex_windows_ai.hardware.memory import read_memory
from codex_windows_ai.settings import cache_folder, load_settings

__all__ = ["installed_version", "machine_checks"]

_WEBGPU = "pip install onnxruntime-ep-webgpu"

_PACKAGES = (
    "codex-windows-ai",
    "onnxruntime",
    "onnxruntime-windowsml",
    "onnxruntime-genai",
    "numpy",
    "tokenizers",
    "gguf",
    "onnx",
)

_NEEDED_MEMORY = 500_000_000  # peak of the default model
_NEEDED_DISK = 500_000_000  # the default model's download and its converted folder, side by side for a while

_ALWAYS_THERE = "CPUExecutionProvider"

# Sends the prompt to a service; this program answers on the machine, so it is never used.
_REMOTE_PROVIDERS = {"AzureExecutionProvider"}


def machine_checks() -> list[Check]:
    """One check for each part of the machine, and one for each execution provider."""
    return [
        Check("runtime.python", _python),
        Check("hardware.cpu", _cpu),
        Check("hardware.memory", _memory),
        Check("hardware.gpu", _gpu),
        Check("storage.cache", _cache),
        Check("inference.experts", _experts),
        *(Check(f"inference.{provider}", _ProviderCheck(provider)) for provider in execution_providers()),
    ]


def _python() -> Finding:
    packages = {name: found for name in _PACKAGES if (found := installed_version(name))}
    details = {"python": platform.python_version(), "executable": sys.executable, "platform": platform.platform()}
    return Finding("ok", f"Python {platform.python_version()}", {**details, "packages": packages})


def installed_version(package: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> Finding:
    cpu = read_cpu()
    features = ", ".join(cpu.features) or "none of the instruction sets that speed up inference"
    summary = f"{cpu.name}, {cpu.physical_cores} cores ({cpu.logical_cores} logical): {features}"
    if {"avx2", "neon"}.isdisjoint(cpu.features):
        return Finding("warning", summary, asdict(cpu), "Answers will be slow here; use a machine with AVX2 or NEON.")
    return Finding("ok", summary, asdict(cpu))


def _experts() -> Finding:
    """Of models that are mixtures; tried, as it depends on the processor and on ONNX Runtime."""
    details = {"integers": multiplies_experts(), "mxfp4": multiplies_mxfp4()}
    if not details["integers"]:
        summary = "mixtures of experts are slow here: their weights are taken apart for each product"
        return Finding("warning", summary, details, "Use a dense model, or ONNX Runtime 1.31 or later.")
    kept = "MXFP4 as it is" if details["mxfp4"] else "MXFP4 (gpt-oss) is fitted to 4 bits, or kept in 8"
    return Finding("ok", f"mixtures of experts are multiplied as fast as other models; {kept}", details)


def _memory() -> Finding:
    memory = read_memory()
    summary = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available"
    if memory.available < _NEEDED_MEMORY:
        return Finding("warning", summary, asdict(memory), "Close other programs: the default model takes 0.5 GB.")
    return Finding("ok", summary, asdict(memory))


def _gpu() -> Finding:
    if sys.platform == "win32":
        return _windows_adapters()
    adapters = list_linux_adapters()
    if not adapters:
        return Finding("ok", "no graphics adapter: the engine runs on the CPU")
    listed = ", ".join(f"{adapter.name} (driver {adapter.driver or 'none'})" for adapter in adapters)
    details = {"adapters": [asdict(adapter) for adapter in adapters]}
    from codex_windows_ai.devices.devices import find_device

    try:
        device = find_device("gpu", load_settings().execution_provider_library)
    except NotAvailableError:
        return Finding(
            "ok", f"{listed}: no execution provider drives it, so the engine runs on the CPU", details, _WEBGPU
        )
    return Finding("ok", f"{listed}: the engine tries {device.execution_provider} on it before the CPU", details)


def _windows_adapters() -> Finding:
    """What is there; whether the engine runs on it is told by the checks of Windows."""
    from codex_windows_ai.hardware.windows_adapters import list_windows_adapters

    adapters = list_windows_adapters()
    listed = ", ".join(adapter.name for adapter in adapters) or "no graphics adapter: the engine runs on the CPU"
    return Finding("ok", listed, {"adapters": [asdict(adapter) for adapter in adapters]})


def _cache() -> Finding:
    folder = cache_folder()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    fix = "Set CODEX_WINDOWS_AI_HOME to a folder that you can write to."
    try:
        # Writing is the only test that permissions, quotas and read-only mounts all take part in.
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"x")
    except OSError as error:
        return Finding("fail", f"cannot write to {existing}: {error.strerror}", {"folder": str(folder)}, fix)
    free = shutil.disk_usage(existing).free
    details = {"folder": str(folder), "exists": Path(folder).exists(), "free": free}
    summary = f"{folder} is writable, {free / 1e9:.1f} GB free"
    if free < _NEEDED_DISK:
        return Finding("warning", summary, details, f"Free {(_NEEDED_DISK - free) / 1e6:.0f} MB there, or: {fix}")
    return Finding("ok", summary, details)


class _ProviderCheck:
    """A check of one execution provider."""

    def __init__(self, provider: str) -> None:
        self.provider = provider

    def __call__(self) -> Finding:
        if self.provider in _REMOTE_PROVIDERS:
            return Finding("skipped", "sends work to a service elsewhere; never used here")
        trial = try_provider(self.provider)
        details = asdict(trial)
        if trial.executed_by == self.provider:
            return Finding("ok", "ran a tiny inference", details)
        if trial.executed_by:
            fix = "Install or update the driver of the device that this provider drives."
            return Finding("warning", f"present, but {trial.executed_by} did its work", details, fix)
        summary = f"did not run a tiny inference: {trial.error}"
        if self.provider == _ALWAYS_THERE:
            return Finding("fail", summary, details, "Install onnxruntime again.")
        return Finding("warning", summary, details, "Install or update the driver of the device that this one drives.")
