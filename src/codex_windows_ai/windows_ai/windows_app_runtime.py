"""What Windows' AI classes ask of a process: the Windows App Runtime, package identity, the build of Windows."""

from __future__ import annotations

import ctypes
import sys
import threading
from contextlib import ExitStack

__all__ = ["is_wine", "package_full_name", "start_app_runtime", "windows_build"]

_ERROR_INSUFFICIENT_BUFFER = 122
_lock = threading.Lock()
_started = ExitStack()
_is_started = False


def start_app_runtime() -> None:
    """Finds the Windows App Runtime for this process, once; a process with package identity has it already.

    Raises OSError: it is not installed, or its version is older than what the projections were made for.
    """
    global _is_started  # the runtime belongs to the process, not to a caller
    with _lock:
        # Wine implements no part of it and ends the process when asked; classes are found there without it.
        if _is_started or sys.platform != "win32" or is_wine():
            return
        from winrt.microsoft.windows.applicationmodel.dynamicdependency.bootstrap import InitializeOptions, initialize

        _started.enter_context(initialize(options=InitializeOptions.ON_PACKAGE_IDENTITY_NOOP))
        _is_started = True


def is_wine() -> bool:
    """Whether this Windows is Wine, which our tests run on."""
    if sys.platform != "win32":
        return False
    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def windows_build() -> tuple[int, int] | None:
    """Build and revision of Windows, as in 26200.7309; None elsewhere."""
    if sys.platform != "win32":
        return None
    import winreg

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Windows NT\CurrentVersion") as key:
        try:
            revision = int(winreg.QueryValueEx(key, "UBR")[0])
        except FileNotFoundError:
            revision = 0
    return sys.getwindowsversion().build, revision


def package_full_name() -> str | None:
    """The package whose identity this process has, if any."""
    if sys.platform != "win32":
        return None
    size = ctypes.c_uint32(0)
    get_name = ctypes.WinDLL("kernel32").GetCurrentPackageFullName
    if get_name(ctypes.byref(size), None) != _ERROR_INSUFFICIENT_BUFFER:
        return None
    buffer = ctypes.create_unicode_buffer(size.value)
    return buffer.value if get_name(ctypes.byref(size), buffer) == 0 else None
