"""What the error codes of Windows mean for a person, and what to do about each.

PyWinRT and ctypes raise a failed HRESULT as an OSError with a signed `winerror` and often no message.
Names and values: winerror.h, appmodel.h and the Windows App SDK's documentation of its bootstrapper.
"""

from __future__ import annotations

from dataclasses import dataclass

from codex_windows_ai.errors import NotAvailableError

__all__ = ["E_INVALIDARG", "E_NOINTERFACE", "Meaning", "code_of", "describe", "meaning_of", "not_available"]


E_NOINTERFACE = 0x80004002
E_INVALIDARG = 0x80070057


@dataclass(frozen=True, slots=True)
class Meaning:
    """An error code for people: its name, what it says, and what to do where something can be done."""

    name: str
    says: str
    fix: str | None = None


_IDENTITY = (
    "Run this program with package identity: docs/windows-ai-integration.md shows how to register the sparse package."
)
_RUNTIME = "Install the Windows App Runtime 2.x: winget install Microsoft.WindowsAppRuntime.2"
_UPDATE = "Open Settings > Windows Update, let it finish (it must not be paused), then try again."

_MEANINGS: dict[int, Meaning] = {
    0x80004001: Meaning("E_NOTIMPL", "this build of Windows does not implement the call", _UPDATE),
    E_NOINTERFACE: Meaning("E_NOINTERFACE", "this build of Windows lacks the interface", _UPDATE),
    0x80004004: Meaning("E_ABORT", "the operation was aborted"),
    0x80004005: Meaning(
        "E_FAIL", "Windows gives no reason; a missing capability in the package is a common one", _IDENTITY
    ),
    0x8000000E: Meaning("E_ILLEGAL_METHOD_CALL", "the call came at the wrong time"),
    0x80010108: Meaning("RPC_E_DISCONNECTED", "the service behind it ended", "Try again; it starts anew."),
    0x80040154: Meaning("REGDB_E_CLASSNOTREG", "the class is not registered on this machine", _RUNTIME),
    0x80070005: Meaning(
        "E_ACCESSDENIED",
        "access is denied, often for want of package identity or of a capability in the manifest",
        _IDENTITY,
    ),
    0x8007000E: Meaning("E_OUTOFMEMORY", "there is not enough memory", "Close other programs and try again."),
    0x80070032: Meaning("ERROR_NOT_SUPPORTED", "this machine does not support it"),
    E_INVALIDARG: Meaning("E_INVALIDARG", "Windows refuses a value it was given"),
    0x8007007E: Meaning("ERROR_MOD_NOT_FOUND", "a library is missing", _RUNTIME),
    0x80070490: Meaning("ERROR_NOT_FOUND", "it is not there (any more)"),
    0x800704C7: Meaning("ERROR_CANCELLED", "it was cancelled"),
    0x800705B4: Meaning("ERROR_TIMEOUT", "it took too long", "Try again; the first use after a start can be slow."),
    0x800706BA: Meaning(
        "RPC_S_SERVER_UNAVAILABLE", "the service behind it does not run", "Try again, or restart Windows."
    ),
    0x80073D54: Meaning("APPMODEL_ERROR_NO_PACKAGE", "this process has no package identity", _IDENTITY),
    0x80080005: Meaning(
        "CO_E_SERVER_EXEC_FAILURE", "the service behind it did not start", "Try again, or restart Windows."
    ),
    0x80240438: Meaning("WU_E_PT_ENDPOINT_UNREACHABLE", "Windows Update cannot be reached", _UPDATE),
    0x8024402C: Meaning("WU_E_PT_WINHTTP_NAME_NOT_RESOLVED", "Windows Update cannot be reached", _UPDATE),
    0x80670016: Meaning(
        "STATEREPOSITORY_E_DEPENDENCY_NOT_RESOLVED", "the Windows App Runtime is not installed", _RUNTIME
    ),
}


def code_of(error: OSError | AttributeError | int) -> int:
    """The HRESULT as the unsigned number that documentation writes; plain Win32 errors become 0x8007xxxx."""
    if isinstance(error, AttributeError):  # how PyWinRT says that an object lacks a newer interface
        return E_NOINTERFACE
    value = error if isinstance(error, int) else int(getattr(error, "winerror", None) or error.errno or 0)
    if 0 < value < 0x10000:
        return 0x80070000 | value
    return value & 0xFFFFFFFF


def meaning_of(code: int) -> Meaning:
    """What a code means; of one that is not in the table its kind, where its facility says that."""
    if code in _MEANINGS:
        return _MEANINGS[code]
    if code >> 16 == 0x8024:
        return Meaning("Windows Update", "Windows Update failed", _UPDATE)
    if 0x80073CF0 <= code <= 0x80073DFF:
        return Meaning("package deployment", "a package could not be installed or registered", _UPDATE)
    return Meaning("HRESULT", "Windows gives this code only")


def describe(error: OSError | AttributeError | int) -> str:
    """One clause for people: what it says, the name, the number."""
    code = code_of(error)
    if code == 0:  # Python's own errors, for example of a library that is not there, have words only
        return str(error)
    meaning = meaning_of(code)
    return f"{meaning.says} ({meaning.name}, 0x{code:08X})"


def not_available(what: str, error: OSError | AttributeError | int) -> NotAvailableError:
    """The error that `what` is not to be had, for this reason and with its fix."""
    return NotAvailableError(f"{what}: {describe(error)}.", hint=meaning_of(code_of(error)).fix)
