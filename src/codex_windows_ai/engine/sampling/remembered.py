"""What was found out about texts, remembered as far as their size allows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")

_LARGEST_SHARE = 8


class Remembered(Generic[Value]):
    """Values by the texts that they were made of, the longest unused forgotten first.

    It is bounded by characters and not by number: what one request has must be there when the same agent comes again,
    even where that is a thousand things, and a thousand large ones must not stay.
    """

    def __init__(self, most_characters: int) -> None:
        self._most = most_characters
        self._characters = 0
        self._values: OrderedDict[tuple[str, ...], Value] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, *key: str) -> Value | None:
        """What was made of these texts."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def keep(self, value: Value, *key: str) -> Value:
        """Remembers it, unless it alone would push out much of the rest; returns it."""
        if sum(map(len, key)) > self._most // _LARGEST_SHARE:
            return value
        with self._lock:
            self._forget(key)
            self._values[key] = value
            self._characters += sum(map(len, key))
            while self._characters > self._most:
                self._forget(next(iter(self._values)))
        return value

    def get(self, make: Callable[[], Value], *key: str) -> Value:
        """What was made of these texts, made now where it was not; raises as `make`."""
        found = self.find(*key)
        return self.keep(make(), *key) if found is None else found

    def _forget(self, key: tuple[str, ...]) -> None:
        if self._values.pop(key, None) is not None:
            self._characters -= sum(map(len, key))
