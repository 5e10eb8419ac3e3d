from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import psutil
import pytest

from codex_windows_ai.hardware.adapters import list_linux_adapters
from codex_windows_ai.hardware.drm import read_drm_figures
from codex_windows_ai.hardware.figures import AdapterFigures
from codex_windows_ai.hardware.live import read_machine
from codex_windows_ai.hardware.nvml import read_nvidia_figures

ADDRESS = "0000:03:00.0"


def add_card(root: Path, files: dict[str, str]) -> None:
    """A card as the kernel shows it: a link to its device, which is named by its address."""
    device = root / "sys/devices" / ADDRESS
    for name, content in ({"vendor": "0x1002", "device": "0x744c"} | files).items():
        file = device / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n", encoding="utf-8")
    card = root / "sys/class/drm/card0"
    card.mkdir(parents=True)
    (card / "device").symlink_to(device)


def figures_of(root: Path) -> AdapterFigures:
    (adapter,) = list_linux_adapters(root)
    return read_drm_figures(adapter, root)


def test_what_an_amd_driver_shows_is_read_in_common_units(tmp_path: Path) -> None:
    add_card(
        tmp_path,
        {
            "gpu_busy_percent": "37",
            "mem_info_vram_total": "25753026560",
            "mem_info_vram_used": "1073741824",
            "hwmon/hwmon4/temp1_input": "54500",
            "hwmon/hwmon4/power1_average": "12500000",
        },
    )
    figures = figures_of(tmp_path)
    assert (figures.vendor, figures.address, figures.source) == ("AMD", ADDRESS, "DRM")
    assert figures.load_percent == 37
    assert (figures.memory_used_bytes, figures.memory_total_bytes) == (1073741824, 25753026560)
    assert (figures.temperature_celsius, figures.power_watts) == (54.5, 12.5)


@pytest.mark.parametrize("files", [{}, {"gpu_busy_percent": "", "mem_info_vram_used": "none"}])
def test_what_a_driver_does_not_show_is_unknown(tmp_path: Path, files: dict[str, str]) -> None:
    add_card(tmp_path, files)
    figures = figures_of(tmp_path)
    assert figures.name == "AMD 1002:744c"
    unknown = (
        figures.load_percent,
        figures.memory_total_bytes,
        figures.memory_used_bytes,
        figures.temperature_celsius,
        figures.power_watts,
    )
    assert unknown == (None,) * 5


@pytest.mark.skipif(sys.platform == "win32", reason="there the kernel's list comes from elsewhere")
def test_every_adapter_of_the_kernel_is_in_the_machine(tmp_path: Path) -> None:
    add_card(tmp_path, {"gpu_busy_percent": "1"})
    by_address = {adapter.address: adapter for adapter in read_machine(tmp_path).adapters}
    assert by_address[ADDRESS].load_percent == 1
    assert by_address.keys() == {ADDRESS} | {figures.address for figures in read_nvidia_figures()}


def test_processor_and_memory_are_those_of_this_machine() -> None:
    machine = read_machine()
    assert machine.cpu.logical_cores == psutil.cpu_count()
    assert 0 <= machine.cpu.load_percent <= 100
    assert machine.memory.total_bytes == psutil.virtual_memory().total
    assert 0 < machine.memory.available_bytes <= machine.memory.total_bytes


def test_nvidia_is_asked_exactly_where_its_driver_is() -> None:
    try:
        ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
    except OSError:
        assert read_nvidia_figures() == []
    else:
        figures = read_nvidia_figures()
        assert figures
        assert all(each.memory_total_bytes and each.address.count(":") == 2 for each in figures)


def test_what_an_nvidia_driver_refuses_is_unknown_and_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The binding's own structures and errors; only the driver behind it is missing here."""
    import pynvml

    utilization = pynvml.c_nvmlUtilization_t(gpu=42, memory=7)
    memory = pynvml.c_nvmlMemory_t(total=80 << 30, free=70 << 30, used=10 << 30)
    pci = pynvml.nvmlPciInfo_t(busId=b"00000000:0A:00.0")

    def refuse(*_: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    answers = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda device: "NVIDIA Test",
        "nvmlDeviceGetPciInfo": lambda device: pci,
        "nvmlDeviceGetUtilizationRates": lambda device: utilization,
        "nvmlDeviceGetMemoryInfo": lambda device: memory,
        "nvmlDeviceGetTemperature": lambda device, sensor: 55,
        "nvmlDeviceGetPowerUsage": refuse,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    assert read_nvidia_figures() == [
        AdapterFigures(
            name="NVIDIA Test",
            vendor="NVIDIA",
            address="0000:0a:00.0",
            driver="nvidia",
            source="NVML",
            load_percent=42.0,
            memory_total_bytes=80 << 30,
            memory_used_bytes=10 << 30,
            temperature_celsius=55.0,
            power_watts=None,
        )
    ]
