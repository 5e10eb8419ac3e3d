"""What APIs have in common of `tools` and `tool_choice`: names, texts, and the tools that a choice may name."""

from __future__ import annotations

import json
import re
from typing import Any

from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.tools import Tool

NAME = r"[A-Za-z0-9_./-]{1,128}"
"""A tool's name by MCP's rule: https://modelcontextprotocol.io/specification/draft/server/tools (tool names)."""

_NAME = re.compile(NAME)


def name_of(fields: dict[str, Any], param: str) -> str:
    """A tool's name. Raises InvalidRequestError: it has none, or one that no tool may have."""
    name = fields.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"`{param}.name` must be 1 to 128 letters, digits, `_`, `-`, `.` or `/` (found: {json.dumps(name)[:100]}).",
            param=f"{param}.name",
        )
    return name


def text_of(fields: dict[str, Any], name: str, param: str) -> str:
    """A text that may be left out. Raises InvalidRequestError: it is none."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"`{param}.{name}` must be text.", param=f"{param}.{name}")
    return value or ""


def some(values: Any, choice: str) -> Any:
    """The same. Raises InvalidRequestError: there are none, and one must be called."""
    if not values:
        raise InvalidRequestError(f"`tool_choice` is `{choice}`, but no tool is offered.", param="tool_choice")
    return values


class OfferedTools:
    """The tools that a choice may name, each by its own name and namespace, or by both in one."""

    def __init__(self, tools: tuple[Tool, ...]) -> None:
        self._tools = tools
        self._named: dict[tuple[object, object], str] = {}
        for tool in tools:
            self._named.setdefault((tool.name, tool.namespace), tool.qualified_name)
            self._named.setdefault((tool.qualified_name, None), tool.qualified_name)

    def chosen(self, item: dict[str, Any], param: str) -> str:
        """The qualified name. Raises InvalidRequestError: there is no such tool."""
        name, namespace = item.get("name"), item.get("namespace")
        words = isinstance(name, str) and isinstance(namespace, str | None)
        if words and (found := self._named.get((name, namespace))):
            return found
        offered = ", ".join(f"`{tool.qualified_name}`" for tool in self._tools) or "none"
        if not isinstance(name, str):
            raise InvalidRequestError(f"`{param}` must name a tool; offered: {offered}.", param=param)
        raise InvalidRequestError(f"There is no tool `{name}` to choose; offered: {offered}.", param=param)
