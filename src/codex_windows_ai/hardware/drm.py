"""Live figures of an adapter from the files that Linux's direct rendering manager shows.

amdgpu shows load and memory beside the device, most drivers a sensor's temperature and power below
it: Documentation/gpu/amdgpu/thermal.rst, driver-misc.rst and Documentation/hwmon/sysfs-interface.rst.
"""

from __future__ import annotations

from pathlib import Path

from codex_windows_ai.hardware.adapters import Adapter
from codex_windows_ai.hardware.figures import AdapterFigures

__all__ = ["read_drm_figures"]


def read_drm_figures(adapter: Adapter, root: Path = Path("/")) -> AdapterFigures:
    """What the kernel below `root` says of an adapter."""
    device = _device(adapter.address, root)
    sensor = next(iter(sorted((device / "hwmon").glob("hwmon*"))), device) if device else None
    temperature = _number(sensor, "temp1_input")
    power = _number(sensor, "power1_average", "power1_input")
    return AdapterFigures(
        name=adapter.name,
        vendor=adapter.vendor,
        address=adapter.address,
        driver=adapter.driver,
        source="DRM",
        load_percent=_number(device, "gpu_busy_percent"),
        memory_total_bytes=_number(device, "mem_info_vram_total"),
        memory_used_bytes=_number(device, "mem_info_vram_used"),
        temperature_celsius=None if temperature is None else temperature / 1000,
        power_watts=None if power is None else power / 1_000_000,
    )


def _device(address: str, root: Path) -> Path | None:
    for card in sorted((root / "sys/class/drm").glob("card[0-9]*")):
        device = card / "device"
        if device.resolve().name == address:
            return device
    return None


def _number(folder: Path | None, *files: str) -> int | None:
    """The number in the first of `files` that has one."""
    if folder is None:
        return None
    for file in files:
        try:
            return int((folder / file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return None
