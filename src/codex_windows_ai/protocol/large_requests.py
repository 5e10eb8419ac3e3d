"""Work for a request that takes a while, beside the event loop: for small ones at once, for large ones one by one."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")

LARGE = 1 << 16
"""Bytes or characters of a request from which on it is worked on beside smaller ones, and never in their way."""

HUGE = 1 << 20
"""Bytes or characters of a request that most likely cannot be served."""

# A thread for each kind: however many large requests come, others find a thread, and a processor.
_large = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large requests")
_huge = ThreadPoolExecutor(max_workers=1, thread_name_prefix="huge requests")


async def beside(
    size: int, function: Callable[Parameters, Value], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Value:
    """What a function returns, called in another thread; `size` are bytes or characters of the request it is for."""
    call = partial(function, *args, **kwargs)
    if size < LARGE:
        return await asyncio.to_thread(call)
    return await asyncio.get_running_loop().run_in_executor(_large if size < HUGE else _huge, _calmly, call)


_calm = threading.Lock()
_working = 0


def _calmly(call: Callable[[], Value]) -> Value:
    """Calls it without the collector of garbage, which would go through all that the request has, again and again.

    A hundred thousand values take it a tenth of a second on a busy machine, in which no other thread runs; what
    becomes of a request is hardly ever garbage that it alone can free.
    """
    global _working  # as the collector is, one for the process
    with _calm:
        _working += 1
        gc.disable()
    try:
        return call()
    finally:
        with _calm:
            _working -= 1
            if not _working:
                gc.enable()
