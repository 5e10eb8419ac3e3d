"""Adapters under Wine: DirectX's list in the real registry, performance counters over a double of pdh.dll."""

from __future__ import annotations

from typing import Any

from tests.wine.windows import DOUBLES, WindowsMachine, windows_path

_LIST = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\DirectX"


def listed(number: int, name: str, *, luid: int, vendor: int, device: int, memory: int = 0) -> str:
    """An adapter in DirectX's list."""

    def quad(value: int) -> str:
        return "hex(b):" + value.to_bytes(8, "little").hex(",")

    return f"""
[{_LIST}\\{{{number:08}-1111-1111-1111-111111111111}}]
"AdapterLuid"={quad(luid)}
"Description"="{name}"
"VendorId"=dword:{vendor:08x}
"DeviceId"=dword:{device:08x}
"DedicatedVideoMemory"={quad(memory)}
"""


LISTED = "\n".join(
    [
        f"REGEDIT4\n\n[{_LIST}]",
        listed(1, "AMD Radeon RX 9070 XT", luid=0xC0DE, vendor=0x1002, device=0x7550, memory=16 << 30),
        listed(2, "Intel(R) AI Boost", luid=0x1_0000_BEEF, vendor=0x8086, device=0x643E),
        listed(3, "Microsoft Basic Render Driver", luid=1, vendor=0x1414, device=0x8C),
    ]
)
WITH_COUNTERS = {
    "WINEDLLOVERRIDES": "mscoree,mshtml=;pdh=n",
    "DOUBLE_PDH": windows_path(DOUBLES / "pdh"),
}


def adapters(windows: WindowsMachine, environment: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return windows.results("adapters", environment)["adapters"]


def test_every_adapter_is_listed_with_the_load_of_its_busiest_engine(windows: WindowsMachine) -> None:
    windows.write_registry(LISTED)

    gpu, npu = adapters(windows, WITH_COUNTERS)

    assert (gpu["name"], gpu["vendor"], gpu["luid"], gpu["source"]) == ("AMD Radeon RX 9070 XT", "AMD", 0xC0DE, "PDH")
    assert gpu["load_percent"] == 61.25
    assert (gpu["memory_used_bytes"], gpu["memory_total_bytes"]) == (1 << 30, 16 << 30)
    assert (npu["name"], npu["luid"], npu["load_percent"]) == ("Intel(R) AI Boost", 0x1_0000_BEEF, 7.0)


def test_where_windows_has_no_such_counters_the_load_is_unknown(windows: WindowsMachine) -> None:
    windows.write_registry(LISTED)

    for figures in adapters(windows):
        assert figures["load_percent"] is None
        assert figures["memory_used_bytes"] is None
        assert figures["name"]
