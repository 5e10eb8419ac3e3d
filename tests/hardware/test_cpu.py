"""The processor."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from codex_windows_ai.hardware.cpu import read_cpu


def test_this_machines_processor_has_a_name_and_at_least_one_core() -> None:
    cpu = read_cpu()

    assert cpu.name
    assert 1 <= cpu.physical_cores <= cpu.logical_cores == os.cpu_count()


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own list")
def test_this_machines_features_are_those_that_linux_lists() -> None:
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())

    for feature in ("avx2", "avx512f", "avx512_vnni", "avx_vnni"):
        assert (feature in read_cpu().features) == (feature in flags)


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own list")
def test_an_arm_processor_is_read_though_it_gives_no_name(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd aes crc32 asimddp\nCPU part\t: 0xd0c\n",
        encoding="utf-8",
    )

    cpu = read_cpu(cpuinfo)

    assert cpu.features == ("neon", "dotprod")
    assert cpu.name


def test_an_unreadable_list_means_no_known_features(tmp_path: Path) -> None:
    assert read_cpu(tmp_path / "absent").features == () or sys.platform == "win32"
