"""Graphics adapters as Linux's kernel lists them. What can run a model on one is another question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["VENDORS", "Adapter", "list_linux_adapters"]

# PCI vendor ids: https://pci-ids.ucw.cz
VENDORS = {
    "0x10de": "NVIDIA",
    "0x1002": "AMD",
    "0x8086": "Intel",
    "0x1af4": "virtio",
    "0x1234": "QEMU",
    "0x15ad": "VMware",
    "0x1414": "Microsoft",
}


@dataclass(frozen=True, slots=True)
class Adapter:
    """A graphics adapter; `address` is its PCI address, `driver` the kernel module bound to it, if any."""

    name: str
    vendor: str
    address: str
    driver: str | None


def list_linux_adapters(root: Path = Path("/")) -> list[Adapter]:
    """The adapters below `root`, sorted by PCI address.

    Two lists are read: the cards of the direct rendering manager (/sys/class/drm) and those of
    NVIDIA's own driver (/proc/driver/nvidia), which needs no direct rendering manager and is
    often the only one inside a container.
    """
    found = {adapter.address: adapter for adapter in _rendering_cards(root)}
    found |= {adapter.address: adapter for adapter in _nvidia_cards(root)}
    return [found[address] for address in sorted(found)]


def _rendering_cards(root: Path) -> list[Adapter]:
    adapters: list[Adapter] = []
    for card in sorted((root / "sys/class/drm").glob("card[0-9]*")):
        device = card / "device"
        vendor_id = _line(device / "vendor")
        if "-" in card.name or not vendor_id:
            continue  # card0-HDMI-A-1 is a connector; a card without a vendor is no PCI device
        vendor = VENDORS.get(vendor_id, vendor_id)
        name = f"{vendor} {vendor_id.removeprefix('0x')}:{_line(device / 'device').removeprefix('0x')}"
        driver = (device / "driver").resolve().name if (device / "driver").exists() else None
        adapters.append(Adapter(name, vendor, device.resolve().name, driver))
    return adapters


def _nvidia_cards(root: Path) -> list[Adapter]:
    adapters: list[Adapter] = []
    for folder in sorted((root / "proc/driver/nvidia/gpus").glob("*")):
        lines = (line.partition(":") for line in _text(folder / "information").splitlines())
        fields = {key.strip(): value.strip() for key, _, value in lines}
        adapters.append(Adapter(fields.get("Model", "NVIDIA GPU"), "NVIDIA", folder.name, "nvidia"))
    return adapters


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _line(file: Path) -> str:
    return _text(file).strip()
