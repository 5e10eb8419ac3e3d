"""One handle of the driver's device, for one request at a time or many, each of which can be cancelled."""

from __future__ import annotations

import ctypes
import threading
from types import TracebackType
from typing import Self

from codex_windows_ai.errors import (
    ChannelRefusedError,
    DriverAccessDeniedError,
    DriverError,
    DriverNotFoundError,
    DriverStateError,
    DriverVersionError,
    InvalidRequestError,
    NoRuntimeError,
    WindowsAiError,
)
from codex_windows_ai.kernel import abi
from codex_windows_ai.kernel.windows_api import INVALID_HANDLE, Overlapped, is_windows, kernel32, last_error, message_of

__all__ = ["Device", "refusal"]

_GENERIC_READ = 0x80000000
_GENERIC_WRITE = 0x40000000
_SHARE_ALL = 7
_OPEN_EXISTING = 3
_FILE_FLAG_OVERLAPPED = 0x40000000

_ERROR_FILE_NOT_FOUND = 2
_ERROR_PATH_NOT_FOUND = 3
_ERROR_ACCESS_DENIED = 5
_ERROR_IO_PENDING = 997
_ERROR_OPERATION_ABORTED = 995

_WAIT_OBJECT_0 = 0
_INFINITE = 0xFFFFFFFF
# A wait of Windows keeps Python from seeing Ctrl-C, so long waits are made of short ones.
_SLICE_MS = 200

# What GetLastError says, as the header's table has it, and what it means to a caller.
_REFUSALS: dict[int, tuple[type[WindowsAiError], str, str | None]] = {
    1: (DriverVersionError, "The driver does not know this request", "Install the driver of this version."),
    24: (DriverVersionError, "The driver expects a request of another length", "Install the driver of this version."),
    122: (DriverVersionError, "The driver has a longer answer", "Install the driver of this version."),
    1306: (DriverVersionError, "The driver expects another structure", "Install the driver of this version."),
    87: (InvalidRequestError, "The driver refuses a value in the request", None),
    22: (DriverStateError, "The session is not in the role or state for this request", None),
    5: (DriverAccessDeniedError, "The handle does not allow this request", "Open the driver for writing, too."),
    1168: (NoRuntimeError, "No registered runtime fits the request, or it is gone", "Start one: `cwai serve`."),
    1237: (ChannelRefusedError, "The runtime takes no connection at this moment", "Try again."),
    1236: (ChannelRefusedError, "The other side went away while the channel was made", "Try again."),
    1816: (DriverError, "The driver has no room for more runtimes or waiting requests", None),
    1450: (DriverError, "The system is out of memory", None),
    6: (DriverStateError, "The driver was closed", None),
    _ERROR_OPERATION_ABORTED: (DriverStateError, "The driver was closed while the request waited", None),
}


def refusal(code: int, *, while_doing: str) -> WindowsAiError:
    """The error that a GetLastError code of a request stands for."""
    kind, message, hint = _REFUSALS.get(code, (DriverError, "The driver failed", None))
    return kind(f"{while_doing}: {message} ({message_of(code) if is_windows() else f'error {code}'}).", hint=hint)


class Device:
    """A session with the driver. Its methods may be called from several threads; `close` ends what they wait for.

    `handle` is one of the device's that this process has, open for overlapped requests; the object owns it.
    """

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle
        # Windows gives the number of a closed handle to something else: no request may start with one.
        self._starting = threading.Lock()

    @classmethod
    def open(cls, *, writable: bool = True, path: str = abi.DEVICE_PATH) -> Self:
        """Open the device.

        Raises DriverNotFoundError: no Windows, no driver, or a driver that is not running.
        Raises DriverAccessDeniedError: this user may not open the device.
        """
        if not is_windows():
            raise DriverNotFoundError(
                "The kernel driver needs Windows.",
                hint="Everything works without it; on Linux the channel goes over the host's own socket.",
            )
        access = _GENERIC_READ | (_GENERIC_WRITE if writable else 0)
        handle = kernel32().CreateFileW(path, access, _SHARE_ALL, None, _OPEN_EXISTING, _FILE_FLAG_OVERLAPPED, None)
        if handle == INVALID_HANDLE:
            code = last_error()
            if code in {_ERROR_FILE_NOT_FOUND, _ERROR_PATH_NOT_FOUND}:
                raise DriverNotFoundError(
                    f"The kernel driver is not running: there is no {path}.",
                    hint="`cwai driver status` says in which state this machine is; "
                    "everything works without the driver.",
                )
            if code == _ERROR_ACCESS_DENIED:
                raise DriverAccessDeniedError(f"This user may not open {path}: {message_of(code)}.")
            raise DriverError(f"Cannot open {path}: {message_of(code)}.")
        return cls(handle)

    @property
    def handle(self) -> int | None:
        """The handle, until the device is closed."""
        return self._handle

    def close(self) -> None:
        """End the session and everything it holds; requests that wait fail. May be called again."""
        with self._starting:
            handle, self._handle = self._handle, None
            if handle is not None:
                kernel32().CancelIoEx(handle, None)
                kernel32().CloseHandle(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def control(self, name: str, code: int, request: abi.Structure | None, reply: abi.Structure | None = None) -> None:
        """Send one request and wait for its answer, which fills `reply`. `name` is for messages.

        Raises an error of the driver's (see `refusal`).
        """
        if not self._exchange(name, code, request, reply, None):
            raise AssertionError("a wait without a limit does not run out")

    def wait(self, name: str, code: int, reply: abi.Structure, timeout: float | None) -> bool:
        """Send a request that the driver answers when something happens. False when `timeout` seconds passed first.

        Raises DriverStateError: the device was closed meanwhile.
        """
        return self._exchange(name, code, None, reply, timeout)

    def _exchange(
        self, name: str, code: int, request: abi.Structure | None, reply: abi.Structure | None, timeout: float | None
    ) -> bool:
        api = kernel32()
        overlapped = Overlapped()
        overlapped.event = api.CreateEventW(None, 1, 0, None)
        try:
            with self._starting:
                handle = self._handle
                if handle is None:
                    raise DriverStateError(f"{name}: the driver was closed.")
                started = api.DeviceIoControl(
                    handle,
                    code,
                    ctypes.byref(request) if request else None,
                    ctypes.sizeof(request) if request else 0,
                    ctypes.byref(reply) if reply else None,
                    ctypes.sizeof(reply) if reply else 0,
                    None,
                    ctypes.byref(overlapped),
                )
                error = 0 if started else last_error()
            finished = True
            if error == _ERROR_IO_PENDING:
                finished, error = _finish(handle, overlapped, timeout)
        finally:
            api.CloseHandle(overlapped.event)
        if error == 0:
            return True
        if error == _ERROR_OPERATION_ABORTED and not finished:
            return False
        raise refusal(error, while_doing=name)


def _finish(handle: int, overlapped: Overlapped, timeout: float | None) -> tuple[bool, int]:
    """Wait for a pending request. Gives whether it ended by itself, and its error code, 0 for none.

    However this ends, also by Ctrl-C, the system is done with the request's buffers.
    """
    api = kernel32()
    transferred = ctypes.c_uint32()
    finished = False
    try:
        finished = _wait(overlapped.event, timeout)
    finally:
        if not finished:
            api.CancelIoEx(handle, ctypes.byref(overlapped))
        done = api.GetOverlappedResult(handle, ctypes.byref(overlapped), ctypes.byref(transferred), 1)
        error = 0 if done else last_error()
    return finished, error


def _wait(event: int | None, timeout: float | None) -> bool:
    left_ms = _INFINITE if timeout is None else max(0, int(timeout * 1000))
    while True:
        slice_ms = min(_SLICE_MS, left_ms)
        if kernel32().WaitForSingleObject(event, slice_ms) == _WAIT_OBJECT_0:
            return True
        if timeout is not None:
            left_ms -= slice_ms
            if left_ms <= 0:
                return False
