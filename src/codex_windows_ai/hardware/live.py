"""What the chips of this machine do right now. A figure that nobody here can know is None, never a guess."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

from codex_windows_ai.hardware.adapters import list_linux_adapters
from codex_windows_ai.hardware.cpu import read_cpu
from codex_windows_ai.hardware.drm import read_drm_figures
from codex_windows_ai.hardware.figures import AdapterFigures, CpuFigures, MachineFigures, MemoryFigures
from codex_windows_ai.hardware.memory import read_memory
from codex_windows_ai.hardware.nvml import read_nvidia_figures

__all__ = ["read_adapters", "read_machine"]

_CPU_SAMPLE_SECONDS = 0.1


def read_machine(root: Path = Path("/")) -> MachineFigures:
    """All figures. Blocks for a tenth of a second: the processor's load is measured over that time.

    `root` is where Linux shows its files.
    """
    return MachineFigures(adapters=read_adapters(root), cpu=_read_cpu(), memory=_read_memory())


def read_adapters(root: Path = Path("/")) -> list[AdapterFigures]:
    """The graphics adapters: NVIDIA's own library knows most of its ones; the kernel lists them all."""
    known = {figures.address: figures for figures in read_nvidia_figures()}
    if sys.platform != "win32":
        for adapter in list_linux_adapters(root):
            known.setdefault(adapter.address, read_drm_figures(adapter, root))
    return [known[address] for address in sorted(known)]


def _read_cpu() -> CpuFigures:
    cpu = read_cpu()
    return CpuFigures(
        name=cpu.name,
        physical_cores=cpu.physical_cores,
        logical_cores=cpu.logical_cores,
        load_percent=psutil.cpu_percent(interval=_CPU_SAMPLE_SECONDS),
    )


def _read_memory() -> MemoryFigures:
    memory = read_memory()
    return MemoryFigures(total_bytes=memory.total, available_bytes=memory.available)
