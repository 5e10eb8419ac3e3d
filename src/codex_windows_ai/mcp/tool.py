"""What a tool of the MCP door is, and what it learns about the call it answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import mcp_types as types
from mcp.server.context import ServerRequestContext
from pydantic import BaseModel, ConfigDict, TypeAdapter

from codex_windows_ai.mcp.schema import compact_schema

PROGRESS_SECONDS = 1.0
"""How often a tool that runs says how far it is."""


class Arguments(BaseModel):
    """Base of a tool's arguments, and those of a tool without any.

    A name that the tool does not know is refused, never ignored.
    """

    model_config = ConfigDict(extra="forbid")


class Call:
    """One call of a tool: who asks, and how to say how far the answer is.

    `agent` is whose turn it is, for fairness between agents; `parameters` are the request's own.
    """

    def __init__(
        self, context: ServerRequestContext[Any, Any], parameters: types.CallToolRequestParams, agent: str
    ) -> None:
        self.context = context
        self.parameters = parameters
        self.agent = agent

    @contextlib.asynccontextmanager
    async def progress(self, describe: Callable[[], str]) -> AsyncGenerator[None]:
        """Says `describe()` now and every second while the block runs, if the client asked for progress.

        The figure beside it is seconds: work of several kinds (loading, queueing, generating) has no
        common unit, and the protocol wants a figure that only grows.
        """
        began = time.monotonic()
        await self.context.session.report_progress(0, message=describe())
        task = asyncio.create_task(self._keep_reporting(describe, began))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_reporting(self, describe: Callable[[], str], began: float) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            await self.context.session.report_progress(time.monotonic() - began, message=describe())


ProtocolResult = types.CallToolResult | types.InputRequiredResult


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: how it is advertised and what answers it.

    `run` gets the validated `arguments` and the call. It returns an instance of `result` (a model
    or dataclass), or raises WindowsAiError, which the agent reads as a failed call with what to do.
    A tool whose content is not its structure has no `result` and returns the protocol's own.
    `input_schema` is advertised in place of the one made from `arguments`.
    """

    name: str
    title: str
    description: str
    run: Callable[[Any, Call], Awaitable[Any]]
    annotations: types.ToolAnnotations
    arguments: type[Arguments] = Arguments
    result: type[Any] | None = None
    input_schema: dict[str, Any] | None = None

    def definition(self) -> types.Tool:
        """The tool as `tools/list` shows it."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input_schema or compact_schema(TypeAdapter(self.arguments)),
            output_schema=compact_schema(TypeAdapter(self.result), output=True) if self.result else None,
            annotations=self.annotations,
        )

    def protocol_result(self, outcome: Any) -> ProtocolResult:
        """What `run` returned, as the protocol sends it.

        The same facts stand there twice: as structure, and as JSON text for clients that show only content.
        """
        if isinstance(outcome, ProtocolResult):
            return outcome
        result: TypeAdapter[Any] = TypeAdapter(self.result or cast("Any", type(outcome)))
        structure: dict[str, Any] = result.dump_python(outcome, mode="json")
        text = types.TextContent(text=json.dumps(structure, ensure_ascii=False, separators=(",", ":")))
        return types.CallToolResult(content=[text], structured_content=structure)


def tool_annotations(
    *, read_only: bool, destructive: bool = False, idempotent: bool = True, open_world: bool = False
) -> types.ToolAnnotations:
    """What a tool may do; clients decide by it whether to ask their user first."""
    return types.ToolAnnotations(
        read_only_hint=read_only,
        destructive_hint=destructive,
        idempotent_hint=idempotent,
        open_world_hint=open_world,
    )
