"""Computes a few items ahead of who asks for them, in other threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

WORKERS = 2  # numpy lets other threads run

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def ahead(pool: ThreadPoolExecutor, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """What `function` makes of each item, in order."""
    waiting: deque[Future[_Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > WORKERS:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
