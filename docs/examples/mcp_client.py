"""An MCP client that starts `cwai mcp`: however many do so, there is one model."""

import asyncio
import os

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def main() -> None:
    server = StdioServerParameters(command="cwai", args=["mcp"], env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        print([tool.name for tool in (await client.list_tools()).tools])
        result = await client.call_tool("generate", {"prompt": "Name a colour.", "max_output_tokens": 20})
        print(result.structured_content["text"], result.structured_content["windows_ai"]["device"])


asyncio.run(main())
