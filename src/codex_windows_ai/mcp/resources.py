"""The resources of this door: the action catalogue and the engine's figures, read anew each time.

The figures change with every token, so nobody is told of changes; who wants news reads again.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import mcp_types as types

from codex_windows_ai.errors import EngineError
from codex_windows_ai.mcp.actions import read_catalogue
from codex_windows_ai.mcp.runtime_access import RuntimeAccess

_MIME_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Resource:
    """Something to read; `read` returns its JSON text or raises WindowsAiError."""

    uri: str
    name: str
    title: str
    description: str
    read: Callable[[], Awaitable[str]]

    def definition(self) -> types.Resource:
        """The resource as `resources/list` shows it."""
        return types.Resource(
            uri=self.uri, name=self.name, title=self.title, description=self.description, mime_type=_MIME_TYPE
        )

    async def contents(self) -> types.ReadResourceResult:
        """The resource as it is now."""
        text = await self.read()
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=self.uri, mime_type=_MIME_TYPE, text=text)]
        )


def built_in_resources(runtime: RuntimeAccess) -> tuple[Resource, ...]:
    """What every host offers."""

    async def read_actions() -> str:
        return (await read_catalogue(runtime)).model_dump_json()

    async def read_statistics() -> str:
        if loading := runtime.loading():
            return json.dumps({"state": "loading", **dict(zip(("stage", "done", "total"), loading, strict=True))})
        try:
            figures = (await runtime.open()).statistics()
        except EngineError as error:  # Windows' own language model answers alone; it gives no figures
            return json.dumps({"state": "ready", "reason": error.message})
        return json.dumps({"state": "ready", **figures.by_name()})

    return (
        Resource(
            "windows-ai://actions",
            "actions",
            "Actions of this PC",
            "What invoke_action can do.",
            read_actions,
        ),
        Resource(
            "windows-ai://statistics",
            "statistics",
            "Engine statistics",
            "Requests, tokens and cache of the shared model since it was loaded.",
            read_statistics,
        ),
    )
