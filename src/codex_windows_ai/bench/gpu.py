"""The GPU of this machine as benchmarks see it: whether the engine runs on it, and how busy it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from codex_windows_ai.devices.devices import Device, find_device
from codex_windows_ai.hardware.live import read_adapters
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.settings import cache_folder, load_settings
from codex_windows_ai.windows_ai.engine_provider import EngineProvider

_KEPT_FOR_DEVICES = ("compiled", "proven")


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that the engine runs on; `library` is that of the setting `execution_provider_library`."""

    device: Device
    library: Path | None

    def load(self) -> float | None:
        """The share of time in which it worked, 0 to 1, over the last moment; None where nobody tells."""
        device = self.device
        for figures in read_adapters():
            known = (device.luid is not None and device.luid == figures.luid) or device.address == figures.address
            if known and figures.load_percent is not None:
                return figures.load_percent / 100
        return None


def find_gpu(folder: ModelFolder) -> Gpu:
    """The GPU on which the engine computes this model.

    Raises NotAvailableError: there is none, or it was refused; see `EngineProvider`.
    """
    settings = load_settings(model=str(folder.path))
    device = find_device("gpu", settings.execution_provider_library)
    EngineProvider(settings, device=device).close()
    return Gpu(device, settings.execution_provider_library)


def share_what_devices_need(home: Path) -> None:
    """Gives a host that keeps its files below `home` what was compiled and proved for devices before."""
    for name in _KEPT_FOR_DEVICES:
        if (cache_folder() / name).is_dir():
            shutil.copytree(cache_folder() / name, home / "cache" / name)
