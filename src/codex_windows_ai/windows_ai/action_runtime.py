"""How a program gets hold of Windows' ActionRuntime.

The class has no public constructor. `ActionRuntime.GetDefault` came with version 8 of ActionsContract; before that
the runtime is a COM class whose identifiers Microsoft's own open programs (PowerToys, Files) use.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import uuid
from typing import TYPE_CHECKING, Any

from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.hardware.hresult import not_available

if TYPE_CHECKING:
    from winrt.windows.ai.actions import ActionRuntime

__all__ = ["create_action_runtime"]

_CLASS = uuid.UUID("C36FEF7E-35F3-4192-9F2C-AF1FD425FB85")
_INTERFACE = uuid.UUID("206EFA2C-C909-508A-B4B0-9482BE96DB9C")  # IActionRuntime
_LOCAL_SERVER = 4
_ATTEMPTS = 3  # PowerToys tries as often: the service may still be starting
_CAPSULE = b"winrt.interface"  # PyWinRT keeps no copy of the name, so it must outlive every capsule


def create_action_runtime() -> ActionRuntime:
    """The runtime of App Actions.

    Raises NotAvailableError: this is not Windows, or this build of it has none.
    """
    if sys.platform != "win32":
        raise _elsewhere()
    from winrt.windows.ai.actions import ActionRuntime

    try:
        return ActionRuntime.get_default()
    except (OSError, AttributeError):
        pass  # an older contract: there is the other way
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(OSError):
            return _from_com()
    try:
        return _from_com()
    except OSError as error:
        raise not_available("App Actions are not available", error) from error


def _from_com() -> ActionRuntime:
    if sys.platform != "win32":
        raise _elsewhere()
    from winrt.runtime.interop import wrap_interface
    from winrt.windows.ai.actions import ActionRuntime

    create: Any = ctypes.OleDLL("ole32").CoCreateInstance  # raises OSError for a failed HRESULT
    create.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]
    pointer = ctypes.c_void_p()
    create(_guid(_CLASS), None, _LOCAL_SERVER, _guid(_INTERFACE), ctypes.byref(pointer))
    new_capsule: Any = ctypes.pythonapi.PyCapsule_New
    new_capsule.restype = ctypes.py_object
    new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    try:
        capsule: Any = new_capsule(pointer.value, _CAPSULE, None)
        wrap: Any = wrap_interface  # its own annotation is newer than the type checker's Python
        return wrap(capsule, ActionRuntime)  # takes a reference of its own
    finally:
        _release(pointer)


def _elsewhere() -> NotAvailableError:
    return NotAvailableError("App Actions need Windows.")


def _guid(value: uuid.UUID) -> Any:
    return (ctypes.c_ubyte * 16).from_buffer_copy(value.bytes_le)


def _release(pointer: ctypes.c_void_p) -> None:
    """IUnknown::Release, the third slot of every COM object."""
    table = ctypes.cast(pointer, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
    release: Any = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)(table[2] or 0)
    release(pointer)
