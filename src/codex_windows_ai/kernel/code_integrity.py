"""What this machine demands of a driver: signatures, Secure Boot, memory integrity."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass

from codex_windows_ai.kernel.image import DriverImage
from codex_windows_ai.kernel.windows_api import ntdll, registry_number

__all__ = ["CodeIntegrity", "read_code_integrity", "reasons_against"]

# NtQuerySystemInformation, winternl.h: SYSTEM_CODEINTEGRITY_INFORMATION
_SYSTEM_CODE_INTEGRITY_INFORMATION = 103
_OPTION_TEST_SIGNING = 0x02
_OPTION_MEMORY_INTEGRITY = 0x400

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


def reasons_against(image: DriverImage, rules: CodeIntegrity) -> list[str]:
    """Why Windows would refuse to load this image; nothing when it should load."""
    reasons: list[str] = []
    if image.machine != rules.machine:
        reasons.append(f"it is built for {image.machine}, and this is Windows for {rules.machine}")
    if image.signer is None:
        reasons.append("it has no signature, and 64-bit Windows loads no driver without one")
    elif image.signer == "other" and not rules.test_signing:
        if rules.secure_boot:
            reasons.append(
                "it is signed, but not by Microsoft; that needs test signing, "
                "which cannot be switched on while Secure Boot is on"
            )
        else:
            reasons.append("it is signed, but not by Microsoft; that needs test signing, which is off")
    return reasons
