"""Sends COUNT requests of random codes, lengths and contents to the driver, from SEED: `driver_hammer COUNT SEED`.

Prints one JSON object: how many requests ended how (Win32 error codes; 0 is success), and how many replies were longer
than the buffer they were for, which on Windows would be memory of somebody else.
"""

from __future__ import annotations

import collections
import ctypes
import json
import random
import sys

from codex_windows_ai.kernel import abi
from codex_windows_ai.kernel.windows_api import Overlapped, kernel32, last_error

READ, WRITE, OVERLAPPED, OPEN_EXISTING = 0x80000000, 0x40000000, 0x40000000, 3
PENDING = 997
HANDLES = 4

REQUESTS = {
    abi.IOCTL_GET_VERSION: (None, abi.Version),
    abi.IOCTL_REGISTER_WINAI_RUNTIME: (abi.RuntimeRegistration, abi.RuntimeRegistered),
    abi.IOCTL_REPORT_STATS: (abi.RuntimeStats, None),
    abi.IOCTL_GET_GPU_STATS: (abi.GpuStatsQuery, abi.GpuStatsList),
    abi.IOCTL_GET_OPTIMIZED_PATH: (abi.PathQuery, abi.OptimizedPath),
    abi.IOCTL_OPEN_CHANNEL: (abi.ChannelRequest, abi.Channel),
    abi.IOCTL_WAIT_CONNECTION: (None, abi.Channel),
}


def make_input(code: int, chance: random.Random) -> bytes:
    kind = REQUESTS[code][0]
    if kind is None:
        return b""
    request = kind()
    if isinstance(request, abi.RuntimeRegistration):
        request.provider_kind, request.capacity, request.model_count = chance.randint(1, 4), 1, 1
        request.models[0].value = b"m"
    if isinstance(request, abi.RuntimeStats):
        request.queue_depth, request.latency_us = chance.randrange(100), chance.randrange(1 << 20)
    if isinstance(request, abi.ChannelRequest):
        request.section_bytes, request.runtime_id = abi.CHANNEL_MIN_BYTES, chance.randrange(1, 1 << 12)
    return bytes(request)


class Hammer:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.outcomes: collections.Counter[int] = collections.Counter()
        self.too_long = 0
        self.event = kernel32().CreateEventW(None, 1, 0, None)
        self.handles: list[int] = [self.open() for _ in range(HANDLES)]
        self.output = ctypes.create_string_buffer(8192)

    def open(self) -> int:
        access = READ if self.chance.random() < 0.1 else READ | WRITE
        handle = kernel32().CreateFileW(abi.DEVICE_PATH, access, 7, None, OPEN_EXISTING, OVERLAPPED, None)
        assert handle and handle != ctypes.c_void_p(-1).value, last_error()
        return handle

    def strike(self) -> None:
        chance = self.chance
        which = chance.randrange(HANDLES)
        if chance.random() < 0.01:
            kernel32().CloseHandle(self.handles[which])
            self.handles[which] = self.open()
        code = chance.choice(list(REQUESTS))
        given = make_input(code, chance)
        wanted = ctypes.sizeof(REQUESTS[code][1] or ctypes.c_uint32)
        spoil = chance.random()
        if spoil < 0.2:
            given = chance.randbytes(chance.choice([0, 1, 3, 4, len(given), chance.randrange(8192)]))
        elif spoil < 0.5 and given:
            position = chance.randrange(len(given))
            given = given[:position] + chance.randbytes(1) + given[position + 1 :]
        if chance.random() < 0.2:
            wanted = chance.choice([0, 1, wanted - 1, chance.randrange(8192)])
        if chance.random() < 0.05:
            code ^= 1 << chance.randrange(32)
        self.send(self.handles[which], code, given, wanted)

    def send(self, handle: int, code: int, given: bytes, wanted: int) -> None:
        api, overlapped, written = kernel32(), Overlapped(), ctypes.c_uint32()
        overlapped.event = self.event
        done = api.DeviceIoControl(
            handle, code, given, len(given), self.output, wanted, ctypes.byref(written), ctypes.byref(overlapped)
        )
        error = 0 if done else last_error()
        if error == PENDING:
            api.CancelIoEx(handle, ctypes.byref(overlapped))
            done = api.GetOverlappedResult(handle, ctypes.byref(overlapped), ctypes.byref(written), 1)
            error = 0 if done else last_error()
        self.outcomes[error] += 1
        self.too_long += done and written.value > wanted


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    hammer = Hammer(seed)
    for _ in range(count):
        hammer.strike()
    print(json.dumps({"outcomes": hammer.outcomes, "too_long": hammer.too_long}), flush=True)


main()
