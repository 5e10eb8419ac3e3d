"""What a driver's file says about itself, and what Windows would say to it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.errors import InvalidRequestError, NotAvailableError
from codex_windows_ai.kernel.build import build_driver, driver_sources
from codex_windows_ai.kernel.code_integrity import CodeIntegrity, obstacles_to_loading
from codex_windows_ai.kernel.image import read_image

RULES = CodeIntegrity(machine="AMD64", test_signing=False, memory_integrity=False, secure_boot=False)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_driver(driver_sources(), tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="module")
def signed(image: Path) -> Path:
    folder = image.parent
    target = folder / "signed.sys"
    subprocess.run([driver_sources() / "sign_test.sh", image, target, folder], check=True, capture_output=True)
    return target


def test_what_we_build_is_an_unsigned_native_image(image: Path) -> None:
    read = read_image(image)

    assert (read.machine, read.subsystem, read.signer) == ("AMD64", 1, None)
    assert "IoCreateDevice" in read.imports["ntoskrnl.exe"]
    assert read.checksum == read.actual_checksum


def test_the_test_signature_is_seen_and_the_checksum_follows_it(signed: Path) -> None:
    read = read_image(signed)

    assert read.signer == "other"
    assert read.checksum == read.actual_checksum


def test_signing_again_at_the_same_time_gives_the_same_bytes(image: Path) -> None:
    folder = image.parent
    for name in ("one.sys", "two.sys"):
        script = [driver_sources() / "sign_test.sh", image, folder / name, folder]
        subprocess.run(script, check=True, capture_output=True, env={"SIGNING_TIME": "1700000000", "PATH": "/usr/bin"})

    assert (folder / "one.sys").read_bytes() == (folder / "two.sys").read_bytes()


def test_an_unsigned_driver_is_never_loaded(image: Path) -> None:
    (obstacle,) = obstacles_to_loading(read_image(image), RULES)

    assert "no signature" in obstacle.reason
    assert "sign_test.sh" in obstacle.fix


def test_a_test_signature_needs_test_signing(signed: Path) -> None:
    read = read_image(signed)
    (off,) = obstacles_to_loading(read, RULES)
    with_secure_boot = CodeIntegrity("AMD64", test_signing=False, memory_integrity=True, secure_boot=True)
    (locked,) = obstacles_to_loading(read, with_secure_boot)

    assert "test signing, which is off" in off.reason
    assert off.fix.startswith("`bcdedit /set testsigning on`")
    assert "cannot be switched on while Secure Boot is on" in locked.reason
    assert locked.fix.startswith("Switch Secure Boot off")
    assert obstacles_to_loading(read, CodeIntegrity("AMD64", True, None, None)) == []


def test_memory_integrity_takes_what_we_build_and_refuses_what_breaks_its_rules(signed: Path) -> None:
    read = read_image(signed)
    rules = CodeIntegrity("AMD64", test_signing=True, memory_integrity=True, secure_boot=False)
    writable = replace(read, sections=tuple(replace(section, writable=True) for section in read.sections))

    assert obstacles_to_loading(read, rules) == []
    assert ".text is both writable and executable" in obstacles_to_loading(writable, rules)[0].reason
    assert "aligned to 512 bytes" in obstacles_to_loading(replace(read, section_alignment=512), rules)[0].reason
    assert obstacles_to_loading(writable, replace(rules, memory_integrity=False)) == []


def test_an_image_for_another_processor_is_refused(signed: Path) -> None:
    (obstacle,) = obstacles_to_loading(read_image(signed), CodeIntegrity("ARM64", True, False, False))

    assert obstacle.reason == "it is built for AMD64, and this is Windows for ARM64"


def test_a_missing_file_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(NotAvailableError, match="no driver at") as caught:
        read_image(tmp_path / "nothing.sys")

    assert caught.value.hint == "Build it: `cwai driver build`."


def test_another_file_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "text.sys").write_text("text", encoding="utf-8")

    with pytest.raises(InvalidRequestError, match="not a 64-bit Windows image"):
        read_image(tmp_path / "text.sys")


@given(st.data())
def test_a_damaged_image_is_read_or_refused_but_never_worse(image: Path, data: st.DataObject) -> None:
    damaged = bytearray(image.read_bytes()[: data.draw(st.integers(0, 17920))])
    for _ in range(data.draw(st.integers(0, 8))):
        position = data.draw(st.integers(0, 0x400))
        if position < len(damaged):
            damaged[position] = data.draw(st.integers(0, 255))
    file = image.parent / "damaged.sys"
    file.write_bytes(damaged)

    try:
        read_image(file)
    except InvalidRequestError as error:
        assert "damaged.sys" in error.message


def test_sources_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotAvailableError, match="no sources of the driver"):
        build_driver(tmp_path)
