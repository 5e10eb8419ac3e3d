"""The driver's sources: compiled twice, analysed three times, run in the simulator, and broken on purpose."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from codex_windows_ai.kernel.image import SUBSYSTEM_NATIVE, DriverImage, read_image
from tests.driver.mutants import MUTANTS, Mutant

DRIVER = Path(__file__).parents[2] / "driver"

LICENSE_LINE = "// SPDX-License-Identifier: Apache-2.0\n"
DYNAMIC_BASE, NX_COMPATIBLE, HIGH_ENTROPY = 0x40, 0x100, 0x20


def make(*targets: str, folder: Path = DRIVER, **variables: object) -> subprocess.CompletedProcess[str]:
    settings = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", "--silent", "--directory", str(folder), *targets, *settings],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=280,
    )


def succeeded(ran: subprocess.CompletedProcess[str]) -> str:
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_every_source_says_its_license_in_its_first_line() -> None:
    sources = [file for file in DRIVER.rglob("*") if file.suffix in {".c", ".h"}]

    assert sources
    assert [file for file in sources if not file.read_text().startswith(LICENSE_LINE)] == []


@pytest.fixture(scope="module", params=["all", "clang"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as gcc and as clang make it."""
    folder = tmp_path_factory.mktemp(request.param)
    succeeded(make(request.param, BUILD=folder))
    return folder / ("clang/ai_driver.sys" if request.param == "clang" else "ai_driver.sys")


@pytest.fixture(scope="module")
def image(built: Path) -> DriverImage:
    return read_image(built)


def test_it_imports_nothing_but_what_every_windows_exports(image: DriverImage) -> None:
    allowed = {line for line in (DRIVER / "imports.txt").read_text().splitlines() if not line.startswith("#")}

    assert set(image.imports) == {"ntoskrnl.exe"}
    assert set(image.imports["ntoskrnl.exe"]) - allowed == set()


def test_the_list_of_imports_allows_nothing_that_is_not_used(image: DriverImage) -> None:
    allowed = {line for line in (DRIVER / "imports.txt").read_text().splitlines() if not line.startswith("#")}

    # clang makes no calls of some functions that gcc makes.
    assert allowed - set(image.imports["ntoskrnl.exe"]) <= {"memcpy", "memset"}


def test_it_is_a_driver_that_memory_integrity_loads(image: DriverImage) -> None:
    assert (image.machine, image.subsystem) == ("AMD64", SUBSYSTEM_NATIVE)
    assert image.characteristics & (DYNAMIC_BASE | NX_COMPATIBLE | HIGH_ENTROPY) == 0x160
    assert image.section_alignment == 0x1000
    assert [section.name for section in image.sections if section.executable and section.writable] == []
    assert [section.name for section in image.sections if section.executable] == [".text"]
    assert image.has_unwind_data
    assert image.has_relocations
    assert not image.has_exports


def test_it_carries_no_date_and_the_right_checksum(image: DriverImage) -> None:
    assert image.timestamp == 0
    assert image.checksum == image.actual_checksum
    assert image.signer is None


def test_the_same_sources_give_the_same_bytes_in_another_folder(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(DRIVER, copy)
    target = "clang" if "clang" in built.parts else "all"
    succeeded(make(target, folder=copy, BUILD=tmp_path / "out"))
    again = tmp_path / "out" / ("clang/ai_driver.sys" if target == "clang" else "ai_driver.sys")

    assert hashlib.sha256(again.read_bytes()).hexdigest() == hashlib.sha256(built.read_bytes()).hexdigest()


def test_three_analysers_find_nothing() -> None:
    assert "warning" not in succeeded(make("analyze"))


def test_the_unit_tests_pass_under_the_sanitizers() -> None:
    said = succeeded(make("unit"))

    assert said.count("tests passed") == 2


def test_threads_that_race_are_clean_under_the_thread_sanitizer() -> None:
    assert "connections" in succeeded(make("race"))


def test_fuzzing_finds_nothing() -> None:
    assert "stat::number_of_executed_units" in succeeded(make("fuzz", FUZZ_SECONDS=12))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with everything compiled, for mutants to change a file of."""
    folder = tmp_path_factory.mktemp("mutants")
    shutil.copytree(DRIVER, folder / "driver")
    succeeded(make("unit", folder=folder / "driver", BUILD=folder / "out"))
    return folder


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_a_bug_is_found(workshop: Path, mutant: Mutant) -> None:
    file = workshop / "driver" / mutant.file
    original = file.read_text()
    assert original.count(mutant.old) == 1, "the source has changed: adapt the mutant"
    file.write_text(original.replace(mutant.old, mutant.new))
    try:
        compiled = make("mutant", folder=workshop / "driver", BUILD=workshop / "out")
        assert compiled.returncode == 0, compiled.stderr
        ran = make("unit", folder=workshop / "driver", BUILD=workshop / "out")
    finally:
        file.write_text(original)

    assert ran.returncode != 0
