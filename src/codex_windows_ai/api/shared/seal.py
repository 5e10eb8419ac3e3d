"""What a model thought, sealed: the host keeps nothing between requests, and knows again what a client sends back.

A seal proves where a thought comes from. It hides nothing, since the answer shows the thought to the same client.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Self


class ReasoningSeal:
    """Seals thoughts with a key, and opens what was sealed with it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of_host(cls, token: str | None) -> Self:
        """With a key that holds for as long as the host's token does; without one, for as long as this process."""
        if token is None:
            return cls(secrets.token_bytes())
        return cls(hmac.digest(token.encode(), b"codex-windows-ai: what models thought", hashlib.sha256))

    def seal(self, thought: str) -> str:
        """The thought with its proof, in letters that any client carries."""
        data = thought.encode()
        return base64.urlsafe_b64encode(self._proof(data) + data).decode()

    def open(self, sealed: object) -> str | None:
        """The thought; None where it is not one that was sealed here."""
        if not isinstance(sealed, str):
            return None
        try:
            data = base64.urlsafe_b64decode(sealed.encode())
        except (binascii.Error, ValueError):
            return None
        proof, thought = data[:_PROOF], data[_PROOF:]
        return thought.decode() if hmac.compare_digest(proof, self._proof(thought)) else None

    def _proof(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, hashlib.sha256)


_PROOF = hashlib.sha256().digest_size
