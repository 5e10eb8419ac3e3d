"""Graphics adapters, from a tree of files like the ones that Linux's kernel shows."""

from __future__ import annotations

from pathlib import Path

from codex_windows_ai.hardware.adapters import Adapter, list_linux_adapters


def add_card(root: Path, number: int, address: str, vendor: str, device: str, driver: str) -> None:
    pci = root / "sys/devices/pci0000:00" / address
    pci.mkdir(parents=True)
    (pci / "vendor").write_text(f"{vendor}\n", encoding="utf-8")
    (pci / "device").write_text(f"{device}\n", encoding="utf-8")
    (root / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
    (pci / "driver").symlink_to(root / "sys/bus/pci/drivers" / driver)
    card = root / f"sys/class/drm/card{number}"
    card.mkdir(parents=True)
    (card / "device").symlink_to(pci)


def test_a_machine_without_adapters_has_none(tmp_path: Path) -> None:
    assert list_linux_adapters(tmp_path) == []


def test_cards_are_listed_with_vendor_address_and_driver(tmp_path: Path) -> None:
    add_card(tmp_path, 0, "0000:00:02.0", "0x8086", "0x46a6", "i915")
    add_card(tmp_path, 1, "0000:03:00.0", "0x1002", "0x744c", "amdgpu")

    assert list_linux_adapters(tmp_path) == [
        Adapter("Intel 8086:46a6", "Intel", "0000:00:02.0", "i915"),
        Adapter("AMD 1002:744c", "AMD", "0000:03:00.0", "amdgpu"),
    ]


def test_a_card_that_no_driver_has_taken_has_none(tmp_path: Path) -> None:
    add_card(tmp_path, 0, "0000:00:02.0", "0x8086", "0x46a6", "i915")
    (tmp_path / "sys/devices/pci0000:00/0000:00:02.0/driver").unlink()

    assert list_linux_adapters(tmp_path) == [Adapter("Intel 8086:46a6", "Intel", "0000:00:02.0", None)]


def test_a_connector_is_no_adapter(tmp_path: Path) -> None:
    add_card(tmp_path, 0, "0000:00:02.0", "0x8086", "0x46a6", "i915")
    (tmp_path / "sys/class/drm/card0-HDMI-A-1/device").mkdir(parents=True)
    (tmp_path / "sys/class/drm/card0-HDMI-A-1/device/vendor").write_text("0x8086\n", encoding="utf-8")

    assert len(list_linux_adapters(tmp_path)) == 1


def test_nvidias_own_list_names_a_card_better_and_does_not_double_it(tmp_path: Path) -> None:
    add_card(tmp_path, 0, "0000:01:00.0", "0x10de", "0x2684", "nvidia")
    folder = tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: \t\t NVIDIA GeForce RTX 4090\nIRQ:   \t\t 120\n", encoding="utf-8")

    assert list_linux_adapters(tmp_path) == [Adapter("NVIDIA GeForce RTX 4090", "NVIDIA", "0000:01:00.0", "nvidia")]
