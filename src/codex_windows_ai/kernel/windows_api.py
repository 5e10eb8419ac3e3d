"""Windows' own functions, as far as the kernel package needs them.

ctypes has the loader of DLLs only on Windows, so a type checker elsewhere does not know it; the untyped values stay in
this file, and everything out of here is an int, a str or an exception.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from ctypes import POINTER, c_int32, c_size_t, c_uint32, c_void_p, c_wchar_p
from functools import cache
from typing import Any

__all__ = [
    "INVALID_HANDLE",
    "Overlapped",
    "advapi32",
    "is_windows",
    "kernel32",
    "last_error",
    "message_of",
    "ntdll",
    "registry_number",
]

INVALID_HANDLE = c_void_p(-1).value


def is_windows() -> bool:
    """Whether the functions of this module can be called."""
    return sys.platform == "win32"


class Overlapped(ctypes.Structure):
    """OVERLAPPED, for requests that may take a while; the event is signalled when the request is done."""

    event: int | None
    _fields_ = (
        ("internal", c_void_p),
        ("internal_high", c_void_p),
        ("offset", c_uint32),
        ("offset_high", c_uint32),
        ("event", c_void_p),
    )


def _load(name: str, signatures: dict[str, tuple[Any, list[Any]]]) -> Any:
    library = vars(ctypes)["WinDLL"](name, use_last_error=True)
    for function, (result, arguments) in signatures.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    return library


@cache
def kernel32() -> Any:
    """kernel32.dll; functions that return BOOL return an int."""
    overlapped = POINTER(Overlapped)
    return _load(
        "kernel32",
        {
            "CreateFileW": (
                c_void_p,
                [c_wchar_p, c_uint32, c_uint32, c_void_p, c_uint32, c_uint32, c_void_p],
            ),
            "CloseHandle": (c_int32, [c_void_p]),
            "DeviceIoControl": (
                c_int32,
                [c_void_p, c_uint32, c_void_p, c_uint32, c_void_p, c_uint32, POINTER(c_uint32), overlapped],
            ),
            "GetOverlappedResult": (c_int32, [c_void_p, overlapped, POINTER(c_uint32), c_int32]),
            "CancelIoEx": (c_int32, [c_void_p, overlapped]),
            "CreateEventW": (c_void_p, [c_void_p, c_int32, c_int32, c_wchar_p]),
            "SetEvent": (c_int32, [c_void_p]),
            "WaitForSingleObject": (c_uint32, [c_void_p, c_uint32]),
            "WaitForMultipleObjects": (c_uint32, [c_uint32, c_void_p, c_int32, c_uint32]),
            "MapViewOfFile": (c_void_p, [c_void_p, c_uint32, c_uint32, c_uint32, c_size_t]),
            "UnmapViewOfFile": (c_int32, [c_void_p]),
        },
    )


@cache
def advapi32() -> Any:
    """advapi32.dll: the service manager."""
    return _load(
        "advapi32",
        {
            "OpenSCManagerW": (c_void_p, [c_wchar_p, c_wchar_p, c_uint32]),
            "CreateServiceW": (
                c_void_p,
                [c_void_p, c_wchar_p, c_wchar_p, *[c_uint32] * 4, c_wchar_p, c_wchar_p, c_void_p, *[c_wchar_p] * 3],
            ),
            "OpenServiceW": (c_void_p, [c_void_p, c_wchar_p, c_uint32]),
            "StartServiceW": (c_int32, [c_void_p, c_uint32, c_void_p]),
            "ControlService": (c_int32, [c_void_p, c_uint32, c_void_p]),
            "QueryServiceStatus": (c_int32, [c_void_p, c_void_p]),
            "DeleteService": (c_int32, [c_void_p]),
            "CloseServiceHandle": (c_int32, [c_void_p]),
        },
    )


@cache
def ntdll() -> Any:
    """ntdll.dll; functions return NTSTATUS as an int, 0 for success."""
    return _load("ntdll", {"NtQuerySystemInformation": (c_int32, [c_uint32, c_void_p, c_uint32, POINTER(c_uint32)])})


def registry_number(key: str, name: str) -> int | None:
    """A number below HKEY_LOCAL_MACHINE, or None when it is not there."""
    registry: Any = importlib.import_module("winreg")
    try:
        with registry.OpenKey(registry.HKEY_LOCAL_MACHINE, key) as opened:
            value, _ = registry.QueryValueEx(opened, name)
    except FileNotFoundError:
        return None
    return value if isinstance(value, int) else None


def last_error() -> int:
    """GetLastError() of the last call through this module, in this thread."""
    return vars(ctypes)["get_last_error"]()


def message_of(code: int) -> str:
    """What Windows says about an error code, with the code."""
    text = str(vars(ctypes)["FormatError"](code)).strip().rstrip(".")
    return f"{text} (error {code})" if text else f"error {code}"
