"""An MCP server of somebody else, on standard input and output; it agrees to every call.

Run with the JSON text of its tools as the argument, each with a `name` and an `inputSchema`.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def answer(message: dict[str, Any], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """What each request gets."""
    match message["method"]:
        case "initialize":
            return {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "foreign", "version": "1"},
            }
        case "tools/list":
            return {"tools": tools}
        case "tools/call":
            return {"content": [{"type": "text", "text": f"Called with {json.dumps(message['params']['arguments'])}"}]}
        case _:
            return {}


def main() -> None:
    """Serves until its input ends."""
    tools = json.loads(sys.argv[1])
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            reply = {"jsonrpc": "2.0", "id": message["id"], "result": answer(message, tools)}
            print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
