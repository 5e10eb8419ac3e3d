"""Live figures of NVIDIA's adapters, from the library that its driver brings (NVML).

Reference: https://docs.nvidia.com/deploy/nvml-api/. The library is there exactly where the driver is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codex_windows_ai.hardware.figures import AdapterFigures

__all__ = ["read_nvidia_figures"]

_PCI_ADDRESS_CHARACTERS = len("0000:01:00.0")


def read_nvidia_figures() -> list[AdapterFigures]:
    """All NVIDIA adapters of this machine; none where its driver is not."""
    import pynvml as untyped_pynvml  # large, and of no use on most machines

    nvml: Any = untyped_pynvml  # it ships no types
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        count: int = nvml.nvmlDeviceGetCount()
        return [_read(nvml, nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)]
    except nvml.NVMLError:  # an adapter that fell off its bus takes the list with it
        return []
    finally:
        nvml.nvmlShutdown()


def _read(nvml: Any, device: Any) -> AdapterFigures:
    def known(read: Callable[[Any], Any]) -> Any:
        """A figure, None where this adapter or driver does not give it."""
        try:
            return read(device)
        except nvml.NVMLError:
            return None

    load = known(nvml.nvmlDeviceGetUtilizationRates)
    memory = known(nvml.nvmlDeviceGetMemoryInfo)
    power = known(nvml.nvmlDeviceGetPowerUsage)
    temperature = known(lambda each: nvml.nvmlDeviceGetTemperature(each, nvml.NVML_TEMPERATURE_GPU))
    bus = _text(nvml.nvmlDeviceGetPciInfo(device).busId)
    return AdapterFigures(
        name=_text(nvml.nvmlDeviceGetName(device)),
        vendor="NVIDIA",
        # NVML writes the domain with eight digits, everybody else with four.
        address=bus.lower()[-_PCI_ADDRESS_CHARACTERS:],
        driver="nvidia",
        source="NVML",
        load_percent=None if load is None else float(load.gpu),
        memory_total_bytes=None if memory is None else int(memory.total),
        memory_used_bytes=None if memory is None else int(memory.used),
        temperature_celsius=None if temperature is None else float(temperature),
        power_watts=None if power is None else power / 1000,
    )


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
