"""`cwai mcp`: the MCP door for clients that speak over standard input and output."""

from __future__ import annotations

import sys


def command() -> None:
    """Serve one MCP client over standard input and output, for as long as it keeps them open.

    A thin proxy to the host, which it starts if there is none; the model is loaded once for all.
    Clients that speak HTTP are better off with the host's own address: `cwai status` shows it.
    """
    from codex_windows_ai.cli.progress import ProgressReporter
    from codex_windows_ai.client.mcp.host import find_mcp_host
    from codex_windows_ai.client.mcp.parent import end_with_parent
    from codex_windows_ai.client.mcp.proxy import StdioProxy

    end_with_parent()
    # Without a buffer, nothing is left to be written at the end, when the client may be gone.
    with (
        ProgressReporter() as progress,
        open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as output,
    ):
        StdioProxy(
            lambda suspicious: find_mcp_host(suspicious=suspicious, progress=progress),
            sys.stdin.buffer,
            output,
        ).run()
