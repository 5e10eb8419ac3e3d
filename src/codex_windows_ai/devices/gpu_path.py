"""The library of the execution provider that makes the best of this machine's GPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codex_windows_ai.errors import NotAvailableError

__all__ = ["GpuPath", "GpuPathFinding", "find_gpu_path"]


@dataclass(frozen=True, slots=True)
class GpuPath:
    """A library for `onnxruntime.register_execution_provider_library`; `os.fspath` gives its path.

    `luid` is the adapter's as a 64-bit number, where the provider tells it. `source` says where the
    library comes from: the catalogue of Windows ML, an installed Python package, or the setting
    `execution_provider_library`.
    `reason` says why this one is the best.
    """

    library: Path
    execution_provider: str
    adapter: str
    reason: str
    luid: int | None = None
    version: str | None = None
    source: Literal["catalog", "package", "setting"] = "catalog"

    def __fspath__(self) -> str:
        return str(self.library)


@dataclass(frozen=True, slots=True)
class GpuPathFinding:
    """The path, or why there is none and what would change that."""

    path: GpuPath | None
    reason: str
    fix: str | None = None


def find_gpu_path(extra_library: Path | None = None) -> GpuPathFinding:
    """The best GPU path of this machine, of what is installed; `extra_library` is considered, too.

    Downloads nothing. What Windows could fetch is named in `fix`.
    """
    from codex_windows_ai.devices.devices import choose_device, list_devices, provider_rank

    devices = list_devices(extra_library)
    try:
        best = choose_device("gpu", devices)
    except NotAvailableError as error:
        return GpuPathFinding(None, error.message, _fetchable())
    if best.library is None:
        reason = f"the best is {best.execution_provider} on {best.name}, which is built into ONNX Runtime: no library"
        return GpuPathFinding(None, reason, _fetchable())
    others = sorted({d.execution_provider for d in devices if d.kind == "gpu"} - {best.execution_provider})
    over = f", before {', '.join(others)}" if others else ""
    reason = f"rank {provider_rank('gpu', best.execution_provider) + 1} for a GPU{over}"
    path = GpuPath(
        library=best.library.library,
        execution_provider=best.execution_provider,
        adapter=best.name,
        reason=reason,
        luid=best.luid,
        version=best.library.version,
        source=best.library.source,
    )
    return GpuPathFinding(path, reason)


def _fetchable() -> str | None:
    """What Windows offers for the GPU of this machine and has not installed yet."""
    from codex_windows_ai.devices.devices import provider_rank
    from codex_windows_ai.devices.windows_ml import list_providers

    try:
        offered = [provider for provider in list_providers() if provider.state != "ready"]
    except NotAvailableError as error:
        return error.hint
    names = sorted((provider.name for provider in offered), key=lambda name: provider_rank("gpu", name))
    return f"cwai gpu fetch {names[0]}" if names else None
