"""How the host shows that it is the host, before a client shows it the token."""

from __future__ import annotations

import hashlib
import hmac


def prove(token: str, challenge: str) -> str:
    """Shows that one knows the token without telling it: HMAC-SHA256 of the challenge, hexadecimal."""
    return hmac.new(token.encode(), challenge.encode(), hashlib.sha256).hexdigest()
