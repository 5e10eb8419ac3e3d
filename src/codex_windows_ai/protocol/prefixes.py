"""What a prompt begins with, as a number: a client asks the driver for a runtime that has read it before."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from dataclasses import asdict

from codex_windows_ai.protocol.request import GenerationRequest

MOST_PREFIXES = 64
"""As many as a runtime can report to the driver."""


def prefix_hash(request: GenerationRequest) -> int:
    """64 bits of what agents of one kind share: tools and leading system messages; 0 where there are none."""
    digest = hashlib.sha256()
    parts = [json.dumps(asdict(tool), sort_keys=True) for tool in request.tools.tools]
    for message in request.messages:
        if message.role != "system":
            break
        parts.append(message.text)
    for part in parts:
        encoded = part.encode("utf-8", errors="surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return int.from_bytes(digest.digest()[:8], "little") or 1 if parts else 0


class RecentPrefixes:
    """The prefixes of the last requests, most recent first: those are what the prefix cache most likely holds."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, request: GenerationRequest) -> None:
        """A request is about to be read; any thread may say so."""
        number = prefix_hash(request)
        if not number:
            return
        with self._lock:
            self._hashes[number] = None
            self._hashes.move_to_end(number, last=False)
            if len(self._hashes) > MOST_PREFIXES:
                self._hashes.popitem()

    def hashes(self) -> list[int]:
        """At most MOST_PREFIXES."""
        with self._lock:
            return list(self._hashes)
