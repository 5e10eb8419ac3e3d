"""What this machine demands of a driver: signatures, Secure Boot, memory integrity."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass

from codex_windows_ai.kernel.image import DriverImage
from codex_windows_ai.kernel.windows_api import ntdll, registry_number

__all__ = ["CodeIntegrity", "Obstacle", "obstacles_to_loading", "read_code_integrity"]

# NtQuerySystemInformation, winternl.h: SYSTEM_CODEINTEGRITY_INFORMATION
_SYSTEM_CODE_INTEGRITY_INFORMATION = 103
_OPTION_TEST_SIGNING = 0x02
_OPTION_MEMORY_INTEGRITY = 0x400

_PAGE_BYTES = 4096

_SECURE_BOOT_KEY = r"SYSTEM\CurrentControlSet\Control\SecureBoot\State"


@dataclass(frozen=True, slots=True)
class CodeIntegrity:
    """The rules in force. None is what Windows did not tell."""

    machine: str
    test_signing: bool | None
    memory_integrity: bool | None
    secure_boot: bool | None


def read_code_integrity() -> CodeIntegrity:
    """Ask Windows; needs no rights."""
    information = (ctypes.c_uint32 * 2)(8, 0)
    length = ctypes.c_uint32()
    status = ntdll().NtQuerySystemInformation(
        _SYSTEM_CODE_INTEGRITY_INFORMATION, information, ctypes.sizeof(information), ctypes.byref(length)
    )
    options = information[1] if status == 0 else None
    secure_boot = registry_number(_SECURE_BOOT_KEY, "UEFISecureBootEnabled")
    return CodeIntegrity(
        machine=platform.machine().upper(),
        test_signing=None if options is None else bool(options & _OPTION_TEST_SIGNING),
        memory_integrity=None if options is None else bool(options & _OPTION_MEMORY_INTEGRITY),
        secure_boot=None if secure_boot is None else bool(secure_boot),
    )


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why Windows would refuse to load a driver, and what would change that."""

    reason: str
    fix: str


def obstacles_to_loading(image: DriverImage, rules: CodeIntegrity) -> list[Obstacle]:
    """Everything for which Windows would refuse to load this image; nothing when it should load."""
    obstacles: list[Obstacle] = []
    if image.machine != rules.machine:
        reason = f"it is built for {image.machine}, and this is Windows for {rules.machine}"
        obstacles.append(Obstacle(reason, "Do without it: everything works, and it is only built for AMD64."))
    if image.signer is None:
        reason = "it has no signature, and 64-bit Windows loads no driver without one"
        obstacles.append(Obstacle(reason, "Sign it for tests: driver/sign_test.sh, then `cwai driver install IMAGE`."))
    elif image.signer == "other" and not rules.test_signing:
        obstacles.append(_test_signing_is_off(secure_boot=bool(rules.secure_boot)))
    if rules.memory_integrity and (what := _against_memory_integrity(image)):
        reason = f"memory integrity is on, and {what}"
        obstacles.append(Obstacle(reason, "Install an image that `cwai driver build` made, signed."))
    return obstacles


def _test_signing_is_off(*, secure_boot: bool) -> Obstacle:
    switch = "`bcdedit /set testsigning on` as an administrator, then restart; it lowers this PC's protection."
    if not secure_boot:
        return Obstacle("it is signed, but not by Microsoft; that needs test signing, which is off", switch)
    return Obstacle(
        "it is signed, but not by Microsoft; that needs test signing, "
        "which cannot be switched on while Secure Boot is on",
        f"Switch Secure Boot off in the firmware's settings; {switch}",
    )


def _against_memory_integrity(image: DriverImage) -> str | None:
    """What memory integrity (HVCI) refuses and the file shows; source: Microsoft, "Memory integrity and VBS"."""
    if image.section_alignment % _PAGE_BYTES:
        return f"its sections are aligned to {image.section_alignment} bytes, not to pages"
    for section in image.sections:
        if section.executable and section.writable:
            return f"its section {section.name} is both writable and executable"
    return None
