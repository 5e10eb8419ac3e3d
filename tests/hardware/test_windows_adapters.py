"""What the names of Windows' performance counters say, wherever they are read."""

from __future__ import annotations

from codex_windows_ai.hardware.windows_adapters import adapter_loads, adapter_memory

LUID = "luid_0x00000000_0x0000d1e2"


def test_an_engine_is_as_busy_as_all_its_processes_and_an_adapter_as_its_busiest_engine() -> None:
    engines = {
        f"pid_4_{LUID}_phys_0_eng_0_engtype_3D": 40.0,
        f"pid_9_{LUID}_phys_0_eng_0_engtype_3D": 15.0,
        f"pid_9_{LUID}_phys_0_eng_1_engtype_Copy": 50.0,
        f"pid_9_{LUID.upper()}_phys_0_eng_1_engtype_Copy": 1.0,
        "pid_9_luid_0x00000001_0x00000002_phys_0_eng_0_engtype_Compute": 3.0,
    }
    assert adapter_loads(engines) == {0xD1E2: 55.0, 0x1_0000_0002: 3.0}


def test_a_load_is_no_more_than_all_of_the_time() -> None:
    engines = {f"pid_{pid}_{LUID}_phys_0_eng_0_engtype_3D": 60.0 for pid in (1, 2)}
    assert adapter_loads(engines) == {0xD1E2: 100.0}


def test_names_that_say_nothing_are_left_out() -> None:
    assert adapter_loads({"_Total": 5.0, LUID: 5.0}) == {}
    assert adapter_memory({"_Total": 5.0}) == {}


def test_memory_of_all_parts_of_an_adapter_is_added() -> None:
    assert adapter_memory({f"{LUID}_phys_0": 10.0, f"{LUID}_phys_1": 5.0}) == {0xD1E2: 15}
