"""`tools` and `tool_choice` of Anthropic's API."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, cast

from codex_windows_ai.api.shared.body import unknown_keys
from codex_windows_ai.api.shared.tools import OfferedTools, name_of, some, text_of
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.json_values import as_object
from codex_windows_ai.protocol.tools import Tool, ToolSet

_KNOWN = frozenset(
    {"type", "name", "description", "input_schema", "strict", "cache_control", "defer_loading", "allowed_callers"}
    | {"eager_input_streaming"}
)
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}
_SEARCH = "tool_search_tool"


def read_tools(items: Sequence[Any], left_out: list[str], found: Collection[str] = ()) -> tuple[Tool, ...]:
    """The tools of a request.

    Tools without a schema of their own, which only Anthropic's models and servers know, are left out; so is a second
    one of a name that another has, and every field that is not known. All of it is added to `left_out` by its place.
    One that is loaded later (`defer_loading`) is offered once it is among those `found`. Where only Anthropic's
    servers could search for it, it is offered at once.

    Raises InvalidRequestError: a tool that is malformed.
    """
    searched_elsewhere = any(str(as_object(item).get("type")).startswith(_SEARCH) for item in items)
    named: dict[str, Tool] = {}
    for index, item in enumerate(items):
        param, fields = f"tools[{index}]", as_object(item)
        kind = fields.get("type")
        if kind not in (None, "custom") and "input_schema" not in fields:
            left_out.append(f"{param}: {str(kind)[:100]}")
            continue
        tool = _read_tool(fields, param)
        if fields.get("defer_loading") is True and not searched_elsewhere and tool.name not in found:
            continue
        left_out += unknown_keys(fields, _KNOWN, param)
        if named.setdefault(tool.name, tool) != tool:
            left_out.append(f"{param}: another tool is called {tool.name}")
    return tuple(named.values())


def make_tool_set(tools: tuple[Tool, ...], choice: object, *, parallel: bool | None = None) -> ToolSet:
    """The tools with a request's `tool_choice`; None means "auto". A tool asked for by its name is called once.

    Raises InvalidRequestError: the choice is malformed, or names a tool that is not there.
    """
    item = as_object(choice)
    kind = choice if isinstance(choice, str) else item.get("type", "auto")
    if item.get("disable_parallel_tool_use") is True:
        parallel = False
    match kind:
        case "auto":
            return ToolSet(tools, parallel=parallel is not False)
        case "none":
            return ToolSet(tools, mode="none", parallel=parallel is not False)
        case "any":
            return ToolSet(some(tools, "any"), mode="required", parallel=parallel is not False)
        case "tool":
            chosen = OfferedTools(tools).chosen(item, "tool_choice")
            return ToolSet(tools, "required", frozenset({chosen}), parallel or False)
        case _:
            raise InvalidRequestError(
                f"`tool_choice` is not understood (found: {json.dumps(choice, default=str)[:100]}).",
                hint='Supported are the types "auto", "any", "tool" (with a name) and "none".',
                param="tool_choice",
            )


def _read_tool(fields: dict[str, Any], param: str) -> Tool:
    schema: object = fields.get("input_schema")
    schema = _NO_ARGUMENTS if schema is None else schema
    if not isinstance(schema, dict):
        raise InvalidRequestError(f"`{param}.input_schema` must be a JSON schema.", param=f"{param}.input_schema")
    return Tool(
        kind="function",
        name=name_of(fields, param),
        description=text_of(fields, "description", param),
        parameters=cast("dict[str, Any]", schema),
        strict=fields.get("strict") is True,
    )
