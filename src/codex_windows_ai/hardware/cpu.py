"""The processor: its name, its cores, and the instructions that matter for inference."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Cpu", "read_cpu"]

# Linux's names for the instruction sets that ONNX Runtime's matrix kernels choose between,
# to the usual names: Documentation/arch/x86/cpuinfo.rst and Documentation/arch/arm64/elf_hwcaps.rst.
_LINUX_FEATURES = {
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "amx_int8": "amx",
    "asimd": "neon",
    "asimddp": "dotprod",
}

# PF_* numbers of IsProcessorFeaturePresent, winnt.h. Windows has none for VNNI and AMX.
_WINDOWS_FEATURES = {40: "avx2", 41: "avx512f", 19: "neon", 43: "dotprod"}


@dataclass(frozen=True, slots=True)
class Cpu:
    """A processor. `features` holds those of avx2, avx512f, avx512_vnni, avx_vnni, amx, neon and dotprod it has."""

    name: str
    physical_cores: int
    logical_cores: int
    features: tuple[str, ...]


def read_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> Cpu:
    """The processor of this machine; `cpuinfo` is where Linux describes it."""
    name, features = _windows_cpu() if sys.platform == "win32" else _linux_cpu(cpuinfo)
    logical = os.cpu_count() or 1
    return Cpu(name or platform.machine(), psutil.cpu_count(logical=False) or logical, logical, features)


def _linux_cpu(cpuinfo: Path) -> tuple[str, tuple[str, ...]]:
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ()
    # The first processor speaks for all; ARM calls its list "Features" and often gives no name.
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return fields.get("model name", ""), tuple(name for flag, name in _LINUX_FEATURES.items() if flag in flags)


def _windows_cpu() -> tuple[str, tuple[str, ...]]:
    if sys.platform != "win32":
        raise AssertionError("only called on Windows")
    import ctypes
    import winreg

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
        name = str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    present = ctypes.windll.kernel32.IsProcessorFeaturePresent
    return name, tuple(feature for number, feature in _WINDOWS_FEATURES.items() if present(number))
