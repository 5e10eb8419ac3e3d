"""A Windows program that uses the kernel driver as it is told: a JSON object a line in, one out, until its input ends.

{"do": NAME, ...} names a function below; the answer is {"result": …} or {"error": CLASS, "message": …}.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.kernel import service, windows_api
from codex_windows_ai.kernel.bridge import KernelDriverBridge
from codex_windows_ai.kernel.brokered_channel import BrokeredChannel
from codex_windows_ai.kernel.code_integrity import read_code_integrity
from codex_windows_ai.kernel.device import Device

PROCESS_DUP_HANDLE = 0x40
DUPLICATE_SAME_ACCESS = 2
FILE_MAP_READ_WRITE = 6

bridges: dict[str, KernelDriverBridge] = {}
channels: dict[str, BrokeredChannel] = {}
waits: dict[str, tuple[threading.Thread, list[Any]]] = {}


def open_bridge(name: str = "only", writable: bool = True) -> Any:
    bridges[name] = KernelDriverBridge.open(writable=writable)
    return {"process_id": os.getpid(), "version": dataclasses.asdict(bridges[name].version)}


def close_bridge(name: str = "only") -> None:
    bridges.pop(name).close()


def call(method: str, name: str = "only", **arguments: Any) -> Any:
    return plain(getattr(bridges[name], method)(**arguments))


def open_channel(runtime_id: int, name: str = "only", section_bytes: int = 1 << 20) -> Any:
    channels[name] = bridges[name].open_channel(runtime_id, section_bytes=section_bytes)
    return plain(channels[name])


def begin_wait(name: str = "only", wait: str = "only", timeout: float | None = None) -> None:
    """Leaves a WAIT_CONNECTION pending in a thread of its own."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(bridges[name].wait_connection(timeout))
        except WindowsAiError as error:
            outcome.append({"error": type(error).__name__})

    thread = threading.Thread(target=run)
    thread.start()
    waits[wait] = thread, outcome


def finish_wait(wait: str = "only") -> Any:
    thread, outcome = waits.pop(wait)
    thread.join(20)
    if isinstance(outcome[0], BrokeredChannel):
        channels[wait] = outcome[0]
    return plain(outcome[0])


def write_section(text: str, name: str = "only") -> None:
    address = map_section(channels[name])
    ctypes.memmove(address, text.encode(), len(text))
    unmap(address)


def read_section(length: int, name: str = "only") -> str:
    address = map_section(channels[name])
    text = ctypes.string_at(address, length).decode()
    unmap(address)
    return text


def set_event(event: str, name: str = "only") -> bool:
    return bool(windows_api.kernel32().SetEvent(ctypes.c_void_p(getattr(channels[name], event))))


def wait_event(event: str, name: str = "only", milliseconds: int = 0) -> bool:
    """Whether the event was signalled; an error when this side may not wait for it."""
    waited = windows_api.kernel32().WaitForSingleObject(getattr(channels[name], event), milliseconds)
    if waited not in {0, 258}:
        raise WindowsAiError(f"wait failed with {waited:#x}, error {windows_api.last_error()}")
    return waited == 0


def give_handle(process_id: int, name: str = "only") -> int:
    """Duplicates the device's handle into another process, as a program could that wants a runtime to outlive it."""
    kernel32 = windows_api.kernel32()
    kernel32.OpenProcess.restype = ctypes.c_void_p
    process = kernel32.OpenProcess(PROCESS_DUP_HANDLE, 0, process_id)
    given = ctypes.c_void_p()
    own = bridges[name].handle
    assert kernel32.DuplicateHandle(
        ctypes.c_void_p(-1),
        ctypes.c_void_p(own),
        ctypes.c_void_p(process),
        ctypes.byref(given),
        0,
        0,
        DUPLICATE_SAME_ACCESS,
    )
    return given.value or 0


def use_given_handle(handle: int) -> None:
    """Sends a request with a handle that another process gave."""
    with KernelDriverBridge.open() as own:
        KernelDriverBridge(Device(handle), own.version).get_gpu_stats()  # never closed: the handle outlives its process


def install(image: str, force: bool = False) -> str:
    return str(service.install_driver(Path(image), force=force))


def start() -> None:
    service.start_driver()


def stop() -> None:
    service.stop_driver()


def uninstall() -> None:
    service.uninstall_driver()


def status() -> Any:
    return plain(service.query_driver())


def code_integrity() -> Any:
    return plain(read_code_integrity())


def restart(times: int) -> int:
    """Unloads and loads the driver; how often it answered in between."""
    answered = 0
    for _ in range(times):
        service.stop_driver()
        service.start_driver()
        with KernelDriverBridge.open() as bridge:
            bridge.register_windows_ai_runtime(provider="gpu", models=["m"])
            answered += bridge.get_optimized_path("m").runtime_id == 1  # globals are fresh
    return answered


def map_section(channel: BrokeredChannel) -> int:
    kernel32 = windows_api.kernel32()
    kernel32.MapViewOfFile.restype = ctypes.c_void_p
    address = kernel32.MapViewOfFile(ctypes.c_void_p(channel.section), FILE_MAP_READ_WRITE, 0, 0, ctypes.c_size_t(0))
    assert address, windows_api.last_error()
    return address


def unmap(address: int) -> None:
    windows_api.kernel32().UnmapViewOfFile(ctypes.c_void_p(address))


def plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if explanation := getattr(value, "explanation", None):
            fields["explanation"] = explanation
        return fields
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"result": globals()[command.pop("do")](**command)}
        except Exception as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(answer), flush=True)


main()
