"""What Windows' error codes are said to mean."""

from __future__ import annotations

import errno

import pytest

from codex_windows_ai.hardware.hresult import E_NOINTERFACE, code_of, describe, meaning_of, not_available


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (-2147024891, 0x80070005),  # as PyWinRT gives it: signed
        (0x80070005, 0x80070005),
        (5, 0x80070005),  # a plain Win32 error
        (126, 0x8007007E),
        (0, 0),
        (AttributeError("method 'X' requires 'IFoo2', which this object does not implement"), E_NOINTERFACE),
    ],
)
def test_every_form_of_a_code_is_read(given: int | AttributeError, code: int) -> None:
    assert code_of(given) == code


@pytest.mark.parametrize(
    ("code", "name", "fix"),
    [
        (0x80004001, "E_NOTIMPL", "Windows Update"),
        (0x80004002, "E_NOINTERFACE", "Windows Update"),
        (0x80004005, "E_FAIL", "package identity"),
        (0x80010108, "RPC_E_DISCONNECTED", "Try again"),
        (0x80040154, "REGDB_E_CLASSNOTREG", "Windows App Runtime"),
        (0x80070005, "E_ACCESSDENIED", "package identity"),
        (0x8007000E, "E_OUTOFMEMORY", "Close other programs"),
        (0x80070057, "E_INVALIDARG", None),
        (0x8007007E, "ERROR_MOD_NOT_FOUND", "Windows App Runtime"),
        (0x80070490, "ERROR_NOT_FOUND", None),
        (0x800704C7, "ERROR_CANCELLED", None),
        (0x800706BA, "RPC_S_SERVER_UNAVAILABLE", "restart Windows"),
        (0x80073D54, "APPMODEL_ERROR_NO_PACKAGE", "package identity"),
        (0x80080005, "CO_E_SERVER_EXEC_FAILURE", "restart Windows"),
        (0x80240438, "WU_E_PT_ENDPOINT_UNREACHABLE", "Windows Update"),
        (0x80240999, "Windows Update", "Windows Update"),
        (0x80073CF9, "package deployment", "Windows Update"),
        (0x80670016, "STATEREPOSITORY_E_DEPENDENCY_NOT_RESOLVED", "Windows App Runtime"),
        (0x8BADF00D, "HRESULT", None),
    ],
)
def test_a_code_has_a_name_and_a_fix_where_there_is_one(code: int, name: str, fix: str | None) -> None:
    meaning = meaning_of(code)

    assert meaning.name == name
    assert (meaning.fix is None) if fix is None else (meaning.fix is not None and fix in meaning.fix)
    assert f"0x{code:08X}" in describe(code)


def test_an_error_without_a_code_keeps_its_words() -> None:
    assert describe(FileNotFoundError("Could not find module 'x.dll'")) == "Could not find module 'x.dll'"


def test_an_error_of_this_system_has_its_number() -> None:
    assert code_of(OSError(errno.EPERM, "no")) == 0x80070001


def test_what_is_not_available_says_why_and_what_to_do() -> None:
    error = not_available("The model", -2147221164)

    assert error.message.startswith("The model: the class is not registered")
    assert "winget install" in str(error.hint)
