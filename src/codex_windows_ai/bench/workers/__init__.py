"""Programs that run as measured processes, and their end of the pipe: one JSON object a line, in and out.

Each imports only what it needs, as its memory is measured; what is here, nothing but the standard library.

In: `{"id", "agent", "prompt": [token ids], "max_output_tokens", "temperature"}`, `{"cancel": id}`
or `{"id", "statistics": true}`. Out: `{"ready": true}` once, then for each id `{"id", "first":
true}` with the first token and at last `{"id", "done": {...}}` or `{"id", "error": text}`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any


class Lines:
    """Takes standard output for itself: what libraries print goes to standard error instead."""

    def __init__(self) -> None:
        self._output = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def write(self, message: dict[str, Any]) -> None:
        """Sends one message; callable from any thread."""
        line = json.dumps(message) + "\n"
        with self._lock:
            self._output.write(line)
            self._output.flush()

    def read(self) -> Iterator[dict[str, Any]]:
        """The messages as they come; the end of the pipe ends this process, whatever it is doing."""
        messages: SimpleQueue[dict[str, Any]] = SimpleQueue()

        def listen() -> None:
            for line in sys.stdin:
                messages.put(json.loads(line))
            # The bench has gone; a model in the middle of its work must not outlive it.
            os._exit(0)

        threading.Thread(target=listen, daemon=True).start()
        while True:
            yield messages.get()
