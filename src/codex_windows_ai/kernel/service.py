"""The driver as a Windows service: install, start, stop, look at, uninstall.

Changing anything needs an administrator. Nothing here verifies a signature: Windows does, whenever it loads a driver.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codex_windows_ai.errors import (
    DriverAccessDeniedError,
    DriverError,
    DriverNotFoundError,
    DriverStateError,
    NotAvailableError,
    WindowsAiError,
)
from codex_windows_ai.kernel import abi
from codex_windows_ai.kernel.bridge import KernelDriverBridge
from codex_windows_ai.kernel.code_integrity import CodeIntegrity, Obstacle, obstacles_to_loading, read_code_integrity
from codex_windows_ai.kernel.image import DriverImage, read_image
from codex_windows_ai.kernel.windows_api import advapi32, is_windows, last_error, message_of

__all__ = ["DriverStatus", "install_driver", "query_driver", "start_driver", "stop_driver", "uninstall_driver"]

ServiceState = Literal["absent", "stopped", "starting", "stopping", "running", "other"]

_STATES: dict[int, ServiceState] = {1: "stopped", 2: "starting", 3: "stopping", 4: "running"}

_SC_MANAGER_CONNECT = 0x1
_SC_MANAGER_CREATE_SERVICE = 0x2
_SERVICE_QUERY_STATUS = 0x4
_SERVICE_START = 0x10
_SERVICE_STOP = 0x20
_DELETE = 0x10000
_SERVICE_KERNEL_DRIVER = 1
_SERVICE_DEMAND_START = 3
_SERVICE_ERROR_NORMAL = 1
_SERVICE_CONTROL_STOP = 1

_ERROR_ACCESS_DENIED = 5
_ERROR_SERVICE_ALREADY_RUNNING = 1056
_ERROR_SERVICE_DOES_NOT_EXIST = 1060
_ERROR_SERVICE_NOT_ACTIVE = 1062

_HINTS = {
    2: "Its file is gone: `cwai driver install` puts it back.",
    127: "The file asks for a function that this Windows does not have.",
    193: "The file is not a driver for this Windows.",
    577: "Windows does not accept its signature; docs/kernel-driver.md says what it takes.",
    1058: "The service is disabled: `sc config ai_driver start= demand`.",
    1072: "It is marked for deletion: close what uses it, or restart Windows, and install it again.",
    1275: "Windows blocks it, by its list of blocked drivers or a policy.",
}

_IDLE: dict[ServiceState, tuple[str, str | None]] = {
    "absent": (
        "no service is installed",
        "`cwai driver install IMAGE` as an administrator; docs/kernel-driver.md says how to build and sign one.",
    ),
    "stopped": ("it is installed and not running", "`cwai driver start` as an administrator."),
    "starting": ("its service is starting", None),
    "stopping": (
        "its service is stopping: it ends when the last program that uses it has closed it",
        "End the host (`cwai stop`) and its clients.",
    ),
    "other": ("its service is in a state that drivers do not have", "Restart Windows."),
}
"""Why it does not run, and what to do."""

_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DriverStatus:
    """The driver on this machine. None is what could not be found out, or does not apply.

    `obstacles` are why Windows would refuse to load the installed file; `fix` is the next step to a driver that runs.
    """

    state: ServiceState
    reason: str
    image_path: Path | None = None
    signer: Literal["microsoft", "other"] | None = None
    abi_version: int | None = None
    rules: CodeIntegrity | None = None
    obstacles: tuple[Obstacle, ...] = ()
    fix: str | None = None


def installed_image() -> Path:
    """Where Windows keeps the driver's file."""
    return Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "drivers" / f"{abi.DRIVER_SERVICE}.sys"


def query_driver() -> DriverStatus:
    """In which state this machine is; never raises because something is missing."""
    if not is_windows():
        return DriverStatus("absent", "the kernel driver needs Windows")
    rules = read_code_integrity()
    file = installed_image()
    image = _image_or_none(file)
    state = _service_state()
    reason, fix, version = _answer_of_driver() if state == "running" else (*_IDLE[state], None)
    obstacles = tuple(obstacles_to_loading(image, rules)) if image and state != "running" else ()
    if obstacles and state == "stopped":
        fix = obstacles[0].fix
    path, signer = (file, image.signer) if image else (None, None)
    return DriverStatus(state, reason, path, signer, version, rules, obstacles, fix)


def _answer_of_driver() -> tuple[str, str | None, int | None]:
    """What the running driver says to a first request: the reason, the fix and the version of its interface."""
    try:
        with KernelDriverBridge.open(writable=False) as bridge:
            return "it runs and answers", None, bridge.version.abi_version
    except WindowsAiError as error:
        return f"it runs, but does not answer: {error.message}", error.hint, None


def install_driver(image: Path, *, force: bool = False) -> Path:
    """Copy the driver's file to where Windows keeps drivers and make its service, which is not started.

    Gives the path of the copy. An installed driver is replaced; it must not be running.

    Raises NotAvailableError: no Windows, no such file, or Windows would refuse to load it (unless `force`).
    Raises DriverStateError: an installed driver is running. Raises DriverAccessDeniedError: no administrator.
    """
    _require_windows()
    obstacles = obstacles_to_loading(read_image(image), read_code_integrity())
    if obstacles and not force:
        raise NotAvailableError(
            f"Windows would refuse to load {image}: {'; '.join(obstacle.reason for obstacle in obstacles)}.",
            hint=f"{obstacles[0].fix} docs/kernel-driver.md has it all; everything works without the driver.",
        )
    if _service_state() not in {"absent", "stopped"}:
        raise DriverStateError("The installed driver is running.", hint="Stop it first: `cwai driver stop`.")
    target = installed_image()
    if image.resolve() != target.resolve():
        _copy(image, target)
    with _manager(_SC_MANAGER_CONNECT | _SC_MANAGER_CREATE_SERVICE) as manager:
        if _exists(manager):
            return target
        service = advapi32().CreateServiceW(
            manager,
            abi.DRIVER_SERVICE,
            "codex-windows-ai kernel driver",
            _SERVICE_QUERY_STATUS,
            _SERVICE_KERNEL_DRIVER,
            _SERVICE_DEMAND_START,
            _SERVICE_ERROR_NORMAL,
            str(target),
            abi.DRIVER_SERVICE,  # its own load order group
            None,
            None,
            None,
            None,
        )
        if not service:
            raise _failure("Cannot make the service", last_error())
        advapi32().CloseServiceHandle(service)
    return target


def start_driver() -> None:
    """Load the driver; nothing happens when it runs already.

    Raises DriverNotFoundError: it is not installed. Raises DriverError: Windows refused, and why.
    """
    _require_windows()
    with _service(_SERVICE_START) as service:
        if not advapi32().StartServiceW(service, 0, None):
            code = last_error()
            if code != _ERROR_SERVICE_ALREADY_RUNNING:
                raise _failure("Windows does not start the driver", code)


def stop_driver() -> None:
    """Unload the driver; nothing happens when it does not run.

    Raises DriverNotFoundError: it is not installed.
    Raises DriverStateError: a program still has it open; it stops when the last one closes it.
    """
    _require_windows()
    status = (ctypes.c_uint32 * 7)()
    with _service(_SERVICE_STOP | _SERVICE_QUERY_STATUS) as service:
        if not advapi32().ControlService(service, _SERVICE_CONTROL_STOP, status):
            code = last_error()
            if code == _ERROR_SERVICE_NOT_ACTIVE:
                return
            raise _failure("Windows does not stop the driver", code)
        end = time.monotonic() + _STOP_SECONDS
        while _state_of(service) != "stopped":
            if time.monotonic() > end:
                raise DriverStateError(
                    "The driver stops when the last program that uses it has closed it.",
                    hint="End the host (`cwai stop`) and its clients.",
                )
            time.sleep(0.02)


def uninstall_driver() -> None:
    """Stop the driver, delete its service and its file; nothing happens when there is none.

    Raises DriverStateError: a program still has it open. Raises DriverAccessDeniedError: no administrator.
    """
    _require_windows()
    if _service_state() != "absent":
        stop_driver()
        with _service(_DELETE) as service:
            if not advapi32().DeleteService(service):
                raise _failure("Cannot delete the service", last_error())
    try:
        installed_image().unlink(missing_ok=True)
    except PermissionError as error:
        raise DriverAccessDeniedError(f"Cannot delete {installed_image()}: {error}.") from error


def _require_windows() -> None:
    if not is_windows():
        raise DriverNotFoundError(
            "The kernel driver needs Windows.", hint="`cwai driver build` builds it here; everything works without it."
        )


def _image_or_none(file: Path) -> DriverImage | None:
    try:
        return read_image(file)
    except WindowsAiError:
        return None


def _copy(image: Path, target: Path) -> None:
    """Either the whole new file is there afterwards or the old one."""
    beside = target.with_suffix(".new")
    try:
        shutil.copyfile(image, beside)
        beside.replace(target)
    except PermissionError as error:
        raise DriverAccessDeniedError(
            f"Cannot write {target}: {error}.", hint="Run this in a terminal of an administrator."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _failure(what: str, code: int) -> WindowsAiError:
    message = f"{what}: {message_of(code)}."
    if code == _ERROR_ACCESS_DENIED:
        return DriverAccessDeniedError(message, hint="Run this in a terminal of an administrator.")
    if code == _ERROR_SERVICE_DOES_NOT_EXIST:
        return DriverNotFoundError("The driver is not installed.", hint="`cwai driver install` installs it.")
    return DriverError(message, hint=_HINTS.get(code))


@contextmanager
def _manager(access: int) -> Generator[int]:
    manager = advapi32().OpenSCManagerW(None, None, access)
    if not manager:
        raise _failure("Cannot open the service manager", last_error())
    try:
        yield manager
    finally:
        advapi32().CloseServiceHandle(manager)


@contextmanager
def _service(access: int) -> Generator[int]:
    with _manager(_SC_MANAGER_CONNECT) as manager:
        service = advapi32().OpenServiceW(manager, abi.DRIVER_SERVICE, access)
        if not service:
            raise _failure("Cannot open the service", last_error())
        try:
            yield service
        finally:
            advapi32().CloseServiceHandle(service)


def _exists(manager: int) -> bool:
    service = advapi32().OpenServiceW(manager, abi.DRIVER_SERVICE, _SERVICE_QUERY_STATUS)
    if service:
        advapi32().CloseServiceHandle(service)
    return bool(service)


def _state_of(service: int) -> ServiceState:
    status = (ctypes.c_uint32 * 7)()  # SERVICE_STATUS: type, state, …
    if not advapi32().QueryServiceStatus(service, status):
        raise _failure("Cannot look at the service", last_error())
    return _STATES.get(status[1], "other")


def _service_state() -> ServiceState:
    try:
        with _service(_SERVICE_QUERY_STATUS) as service:
            return _state_of(service)
    except DriverNotFoundError:
        return "absent"
