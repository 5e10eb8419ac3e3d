"""One side of a channel through the kernel driver, with the product's own ring, messages and event loop.

`runtime`: registers, says so, then sends every message of every client back. `client [KEEP]`: sends messages of all
sizes, checks what comes back and says what it found; with KEEP it goes on until the other side is gone.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import closing
from typing import Any

from codex_windows_ai.channel.channel import Channel, Message
from codex_windows_ai.channel.windows import WindowsLink
from codex_windows_ai.errors import ChannelClosedError, DriverStateError
from codex_windows_ai.kernel.bridge import KernelDriverBridge

MODEL = "echo"
SIZES = [0, 1, 7, 1000, 131_047, 131_048, 131_049, 3_000_000]


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


async def runtime() -> None:
    served = asyncio.Semaphore(0)
    with KernelDriverBridge.open() as bridge:
        bridge.register_windows_ai_runtime(provider="cpu", models=[MODEL])
        say(registered=True)

        async def echo(channel: Channel) -> None:
            with closing(channel):
                try:
                    while True:
                        await channel.send(await channel.receive())
                except ChannelClosedError:
                    say(client="gone")
            served.release()

        tasks: list[asyncio.Task[None]] = []
        while True:
            try:
                brokered = await asyncio.to_thread(bridge.wait_connection)
            except DriverStateError:
                return
            if brokered:
                tasks.append(asyncio.create_task(echo(Channel(WindowsLink(brokered), client=False))))


async def client(keep: bool) -> None:
    bridge = KernelDriverBridge.open()
    path = bridge.get_optimized_path(MODEL)
    brokered = bridge.open_channel(path.runtime_id)
    with closing(Channel(WindowsLink(brokered, on_close=bridge.close), client=True)) as channel:
        sent = [Message(1, number, bytes([number]) * size) for number, size in enumerate(SIZES)]
        sending = asyncio.gather(*(channel.send(message) for message in sent))
        received = {message.request: message for message in [await channel.receive() for _ in sent]}
        await sending
        same = [received[message.request] == message for message in sent]
        say(same=same, brokered_by=channel.brokered_by, why=path.explanation)
        try:
            number = 0
            while keep or number < 200:
                number += 1
                await channel.send(Message(2, number, b"x" * (number % 500)))
                await channel.receive()
                if number == 20:
                    say(round_trips=number)
        except ChannelClosedError as error:
            say(ended=type(error).__name__)
    say(done=True)


asyncio.run(runtime() if sys.argv[1] == "runtime" else client("KEEP" in sys.argv))
