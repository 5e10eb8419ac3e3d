"""Which host a stdio client of the MCP door is joined to."""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
from urllib.parse import urlsplit

from codex_windows_ai.client.mcp.exchange import HostAddress
from codex_windows_ai.discovery.proof import prove
from codex_windows_ai.discovery.record import HostRecord, read_record
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.version import release

_PROOF_SECONDS = 2.0


def find_mcp_host(*, suspicious: bool = False, progress: Progress | None = None) -> HostAddress:
    """A host that listens, its model loaded or not; started where none runs.

    A host that runs is recognised with the standard library alone, since clients wait for it; all
    else, and a host that looked like one but is not (`suspicious`), is left to the starter.

    Raises as `ensure_host` does, except for what concerns the model.
    """
    record = read_record()
    if suspicious or record is None or record.version != release() or not _proves_itself(record):
        from codex_windows_ai.client.starter import ensure_host

        record = asyncio.run(ensure_host(progress=progress, wait_for_model=False))
    return HostAddress(record.url, record.read_token())


def _proves_itself(record: HostRecord) -> bool:
    """Whether it is the host who listens there, before it is shown the token."""
    place = urlsplit(record.url)
    challenge = secrets.token_urlsafe(16)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_PROOF_SECONDS)
    try:
        connection.request("GET", f"/health?challenge={challenge}")
        proof = json.loads(connection.getresponse().read()).get("proof")
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return proof == prove(record.read_token(), challenge)
