"""What the chips of this machine do right now. A figure that nobody here can know is None, never a guess."""

from __future__ import annotations

import sys
from dataclasses import replace
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

    On Windows for another one, as `read_adapters`. `root` is where Linux shows its files.
    """
    return MachineFigures(adapters=read_adapters(root), cpu=_read_cpu(), memory=_read_memory())


def read_adapters(root: Path = Path("/")) -> list[AdapterFigures]:
    """The graphics adapters: the operating system lists them all, NVIDIA's own library knows most of its ones.

    On Windows blocks for a tenth of a second.
    """
    nvidia = read_nvidia_figures()
    if sys.platform == "win32":
        return _with_windows_numbers(nvidia)
    known = {figures.address: figures for figures in nvidia}
    for adapter in list_linux_adapters(root):
        known.setdefault(adapter.address, read_drm_figures(adapter, root))
    return [known[address] for address in sorted(known)]


def _with_windows_numbers(nvidia: list[AdapterFigures]) -> list[AdapterFigures]:
    """NVIDIA's library does not know what Windows calls an adapter, but both have its name."""
    from codex_windows_ai.hardware.windows_adapters import read_windows_figures

    left = list(nvidia)
    found: list[AdapterFigures] = []
    for figures in read_windows_figures():
        better = next((each for each in left if each.name == figures.name), None)
        if better is not None:
            left.remove(better)
        found.append(figures if better is None else replace(better, luid=figures.luid))
    return [*found, *left]


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
