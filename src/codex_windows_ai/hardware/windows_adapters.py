"""Graphics adapters and NPUs as Windows lists them, with their load as its Task Manager reads it.

DirectX keeps the list in the registry. Loads and memory are performance counters, through PDH (pywin32's `win32pdh`):
https://devblogs.microsoft.com/directx/gpus-in-the-task-manager/.
"""

from __future__ import annotations

import importlib
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from codex_windows_ai.hardware.adapters import VENDORS
from codex_windows_ai.hardware.figures import AdapterFigures

__all__ = ["WindowsAdapter", "adapter_loads", "adapter_memory", "list_windows_adapters", "read_windows_figures"]

_LIST = r"SOFTWARE\Microsoft\DirectX"
_VALUES = ("AdapterLuid", "Description", "VendorId", "DeviceId", "DedicatedVideoMemory")
_SOFTWARE_ADAPTER = (0x1414, 0x8C)  # Microsoft Basic Render Driver: the processor
_ENGINES, _MEMORY = r"\GPU Engine(*)\Utilization Percentage", r"\GPU Adapter Memory(*)\Dedicated Usage"
_SAMPLE_SECONDS = 0.1  # a load is what happened between two looks
_LUID = re.compile(r"luid_0x([0-9a-f]+)_0x([0-9a-f]+)_", re.IGNORECASE)
_ENGINE = re.compile(r"_phys_(\d+)_eng_(\d+)_", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WindowsAdapter:
    """An adapter; `luid` is Windows' number of it until the next start, `memory_bytes` its own memory."""

    name: str
    vendor: str
    luid: int
    memory_bytes: int


def list_windows_adapters() -> list[WindowsAdapter]:
    """The adapters that are there now, but for the one that is a program."""
    winreg: Any = importlib.import_module("winreg")  # on Windows only
    adapters: list[WindowsAdapter] = []
    with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _LIST) as root:
        for index in range(winreg.QueryInfoKey(root)[0]):
            with suppress(OSError), winreg.OpenKey(root, winreg.EnumKey(root, index)) as key:
                values = {name: winreg.QueryValueEx(key, name)[0] for name in _VALUES}
                if (values["VendorId"], values["DeviceId"]) != _SOFTWARE_ADAPTER:
                    adapters.append(_adapter(values))
    return sorted(adapters, key=lambda adapter: adapter.luid)


def _adapter(values: Mapping[str, Any]) -> WindowsAdapter:
    vendor = f"{values['VendorId']:#06x}"
    return WindowsAdapter(
        name=values["Description"],
        vendor=VENDORS.get(vendor, vendor),
        luid=values["AdapterLuid"],
        memory_bytes=values["DedicatedVideoMemory"],
    )


def read_windows_figures() -> list[AdapterFigures]:
    """All adapters with their figures. Blocks for a tenth of a second."""
    adapters = list_windows_adapters()
    if not adapters:
        return []
    engines, memory = _read_counters(_ENGINES, _MEMORY)
    loads, used = adapter_loads(engines or {}), adapter_memory(memory or {})
    return [
        AdapterFigures(
            name=adapter.name,
            vendor=adapter.vendor,
            address=f"LUID {adapter.luid:#x}",
            driver=None,
            source="PDH",
            # There is an instance for every process that uses the adapter: none means that nobody does.
            load_percent=None if engines is None else loads.get(adapter.luid, 0.0),
            memory_total_bytes=adapter.memory_bytes,
            memory_used_bytes=None if memory is None else used.get(adapter.luid, 0),
            luid=adapter.luid,
        )
        for adapter in adapters
    ]


def adapter_loads(engines: Mapping[str, float]) -> dict[int, float]:
    """Each adapter's load in percent, by LUID: that of its busiest engine, over all processes that use it.

    Instances are named `pid_1234_luid_0x00000000_0x0000D1E2_phys_0_eng_3_engtype_3D`.
    """
    busy: dict[int, defaultdict[tuple[str, str], float]] = {}
    for instance, percent in engines.items():
        luid, engine = _luid_of(instance), _ENGINE.search(instance)
        if luid is not None and engine is not None:
            busy.setdefault(luid, defaultdict(float))[engine[1], engine[2]] += percent
    return {luid: min(100.0, max(of_engines.values())) for luid, of_engines in busy.items()}


def adapter_memory(instances: Mapping[str, float]) -> dict[int, int]:
    """Bytes of its own memory that each adapter has in use, by LUID; instances `luid_0x…_0x…_phys_0`."""
    used: defaultdict[int, int] = defaultdict(int)
    for instance, value in instances.items():
        luid = _luid_of(instance)
        if luid is not None:
            used[luid] += int(value)
    return dict(used)


def _luid_of(instance: str) -> int | None:
    found = _LUID.search(instance)
    return None if found is None else int(found[1], 16) << 32 | int(found[2], 16)


def _read_counters(*paths: str) -> list[dict[str, float] | None]:
    """The instances of each counter with their values; None for one that this Windows does not have."""
    pdh: Any = importlib.import_module("win32pdh")  # it ships no types, and is on Windows only
    failure: Any = importlib.import_module("pywintypes").error
    query = pdh.OpenQuery()
    try:
        counters: list[Any] = []
        for path in paths:
            try:
                counters.append(pdh.AddEnglishCounter(query, path))
            except failure:
                counters.append(None)
        with suppress(failure):
            pdh.CollectQueryData(query)
            time.sleep(_SAMPLE_SECONDS)
            pdh.CollectQueryData(query)
        return [_values(pdh, counter, failure) for counter in counters]
    finally:
        pdh.CloseQuery(query)


def _values(pdh: Any, counter: Any, failure: Any) -> dict[str, float] | None:
    if counter is None:
        return None
    try:
        found: dict[str, float] = pdh.GetFormattedCounterArray(counter, pdh.PDH_FMT_DOUBLE)
    except failure:
        return None
    return found
