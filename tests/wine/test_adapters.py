"""Adapters under Wine: DirectX's list in the real registry, performance counters over a double of pdh.dll."""

from __future__ import annotations

from typing import Any

from tests.wine.windows import DOUBLES, WindowsMachine, windows_path

LISTED = r"""REGEDIT4

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\DirectX]

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\DirectX\{11111111-1111-1111-1111-111111111111}]
"AdapterLuid"=hex(b):de,c0,00,00,00,00,00,00
"Description"="AMD Radeon RX 9070 XT"
"VendorId"=dword:00001002
"DeviceId"=dword:00007550
"DedicatedVideoMemory"=hex(b):00,00,00,00,04,00,00,00

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\DirectX\{22222222-2222-2222-2222-222222222222}]
"AdapterLuid"=hex(b):ef,be,00,00,01,00,00,00
"Description"="Intel(R) AI Boost"
"VendorId"=dword:00008086
"DeviceId"=dword:0000643e
"DedicatedVideoMemory"=hex(b):00,00,00,00,00,00,00,00

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\DirectX\{33333333-3333-3333-3333-333333333333}]
"AdapterLuid"=hex(b):01,00,00,00,00,00,00,00
"Description"="Microsoft Basic Render Driver"
"VendorId"=dword:00001414
"DeviceId"=dword:0000008c
"DedicatedVideoMemory"=hex(b):00,00,00,00,00,00,00,00
"""
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
