"""The resources, as the SDK's own client reads them."""

from __future__ import annotations

import asyncio
import json

import pytest
from mcp.shared.exceptions import MCPError

from tests.mcp.conftest import Connect


def test_the_catalogue_is_what_list_actions_says(connect: Connect) -> None:
    async def look() -> None:
        async with connect() as client:
            uris = [resource.uri for resource in (await client.list_resources()).resources]
            read = (await client.read_resource("windows-ai://actions")).contents[0]
            listed = (await client.call_tool("list_actions")).structured_content
        assert uris == ["windows-ai://actions", "windows-ai://statistics"]
        assert json.loads(read.text) == listed  # pyright: ignore
        assert read.mime_type == "application/json"

    asyncio.run(look())


def test_the_statistics_count_what_was_answered_meanwhile(connect: Connect) -> None:
    async def look() -> None:
        async with connect() as client:

            async def finished() -> int:
                read = (await client.read_resource("windows-ai://statistics")).contents[0]
                figures = json.loads(read.text)  # pyright: ignore
                assert figures["state"] == "ready"
                return figures["finished"]

            before = await finished()
            await client.call_tool("generate", {"prompt": "the", "max_output_tokens": 2})
            assert await finished() == before + 1

    asyncio.run(look())


def test_nothing_is_promised_that_is_not_there(connect: Connect) -> None:
    async def look() -> None:
        async with connect() as client:
            assert client.protocol_version in ("2025-11-25", "2026-07-28")
            capabilities = client.server_capabilities
            assert capabilities is not None
            assert capabilities.logging is None and capabilities.completions is None
            assert capabilities.prompts is not None and not capabilities.prompts.list_changed
            assert capabilities.resources is not None and not capabilities.resources.subscribe
            assert capabilities.tools is not None and not capabilities.tools.list_changed
            with pytest.raises(MCPError, match=r"no resource `windows-ai://absent`"):
                await client.read_resource("windows-ai://absent")

    asyncio.run(look())
