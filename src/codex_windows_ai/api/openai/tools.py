"""`tools` and `tool_choice` in the shape of either of OpenAI's APIs, which nest them differently.

Tools in a namespace (an MCP server's, as Codex sends them) are shown to the model as
`namespace__name`, and handed back to the caller with both names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from codex_windows_ai.api.shared.body import unknown_keys
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.json_values import as_object
from codex_windows_ai.protocol.tools import Tool, ToolMode, ToolSet

NAME = r"[A-Za-z0-9_./-]{1,128}"
"""A tool's name by MCP's rule: https://modelcontextprotocol.io/specification/draft/server/tools (tool names)."""

_NAME = re.compile(NAME)

_KNOWN = frozenset({"type", "name", "description", "parameters", "strict", "format"})


def read_tools(items: Sequence[Any], param: str = "tools", *, left_out: list[str] | None = None) -> tuple[Tool, ...]:
    """The tools of a request, in the shape of the Responses or of the Chat Completions API.

    Kinds of tools that only OpenAI's own servers run are left out: an offer is no demand. So is a second tool of a
    name that another one has, and every field that is not known here. All of it is added to `left_out` by its place.

    Raises InvalidRequestError: a tool that is malformed.
    """
    left_out = [] if left_out is None else left_out
    named: dict[str, Tool] = {}
    for index, item in enumerate(items):
        place = f"{param}[{index}]"
        for tool in _read_item(item, place, left_out):
            if named.setdefault(tool.qualified_name, tool) != tool:
                left_out.append(f"{place}: another tool is called {tool.qualified_name}")
    return tuple(named.values())


def make_tool_set(tools: tuple[Tool, ...], choice: object = None, *, parallel: bool | None = None) -> ToolSet:
    """The tools with a request's `tool_choice`, in the shape of either API; None means "auto".

    Other APIs call "required" "any", and have such words as an object's `type`.
    Where the caller does not say whether it takes calls in `parallel` it does, except that a tool
    asked for by its name is called once.

    Raises InvalidRequestError: the choice is malformed, or names a tool that is not there.
    """
    item, place = _flat(choice, "tool_choice")
    if item.keys() == {"type"}:
        choice = item["type"]
    if item.get("type") in ("function", "custom"):
        return ToolSet(tools, "required", frozenset({_Offered(tools).chosen(item, "tool_choice")}), parallel or False)
    parallel = parallel is not False
    if choice is None:
        return ToolSet(tools, parallel=parallel)
    if choice in ("auto", "none"):
        return ToolSet(tools, mode=cast("ToolMode", choice), parallel=parallel)
    if choice in ("required", "any"):
        return ToolSet(_some(tools, "required"), mode="required", parallel=parallel)
    if item.get("type") == "allowed_tools" and item.get("mode") in ("auto", "required"):
        listed = cast("list[Any]", item["tools"]) if isinstance(item.get("tools"), list) else []
        offered = _Offered(tools)
        names = [offered.chosen(_flat(entry)[0], f"{place}.tools[{n}]") for n, entry in enumerate(listed)]
        if not names:
            raise InvalidRequestError(f"`{place}.tools` must name a tool that may be called.", param=f"{place}.tools")
        return ToolSet(tools, cast("ToolMode", item["mode"]), frozenset(names), parallel)
    raise InvalidRequestError(
        f"`tool_choice` is not understood (found: {json.dumps(choice, default=str)[:100]}).",
        hint='Supported: "auto", "none", "required", a named function or custom tool, and `allowed_tools`.',
        param="tool_choice",
    )


def _some(values: Any, choice: str) -> Any:
    if not values:
        raise InvalidRequestError(f"`tool_choice` is `{choice}`, but no tool is offered.", param="tool_choice")
    return values


class _Offered:
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


def _flat(item: object, param: str = "") -> tuple[dict[str, Any], str]:
    """A tool or choice, and its place; the Chat Completions API nests what the Responses API does not."""
    fields = as_object(item)
    kind = fields.get("type")
    nested = fields.get(str(kind))
    if not isinstance(nested, dict):
        return fields, param
    return {"type": kind, **cast("dict[str, Any]", nested)}, f"{param}.{kind}"


def _read_item(item: object, param: str, left_out: list[str]) -> list[Tool]:
    fields, place = _flat(item, param)
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise InvalidRequestError(
            f"`{param}.type` must be text.", hint="Supported: function, custom, namespace.", param=f"{param}.type"
        )
    if kind == "namespace":
        return _read_namespace(fields, param, left_out)
    if kind not in _READERS:
        left_out.append(f"{param}: {kind[:100]}")
        return []
    outer = cast("dict[str, Any]", item)
    left_out += unknown_keys(outer, _KNOWN | {kind}, param)
    if place != param:
        left_out += unknown_keys(fields, _KNOWN, place)
    return [_READERS[kind](fields, place)]


def _read_namespace(fields: dict[str, Any], param: str, left_out: list[str]) -> list[Tool]:
    """The tools of one MCP server; what the server says of itself goes before its first tool's description."""
    namespace = _name(fields, param)
    members = fields.get("tools")
    if not isinstance(members, list):
        raise InvalidRequestError(f"`{param}.tools` must be a list of tools.", param=f"{param}.tools")
    preface = _text(fields, "description", param)
    tools: list[Tool] = []
    for index, member in enumerate(cast("list[Any]", members)):
        inner, place = _flat(member, f"{param}.tools[{index}]")
        kind = str(inner.get("type"))
        if kind == "namespace":
            raise InvalidRequestError(f"`{place}`: a namespace holds no other.", param=place)
        if kind not in _READERS:
            left_out.append(f"{place}: {kind[:100]}")
            continue
        tool = _READERS[kind](inner, place)
        tools.append(replace(tool, namespace=namespace, description=_join(preface, tool.description)))
        preface = ""
    return tools


def _read_function(fields: dict[str, Any], param: str) -> Tool:
    parameters: Any = fields.get("parameters")
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    if not isinstance(parameters, dict):
        raise InvalidRequestError(f"`{param}.parameters` must be a JSON schema.", param=f"{param}.parameters")
    strict = fields.get("strict")
    if strict is not None and not isinstance(strict, bool):
        raise InvalidRequestError(f"`{param}.strict` must be true or false.", param=f"{param}.strict")
    return Tool(
        kind="function",
        name=_name(fields, param),
        description=_text(fields, "description", param),
        parameters=cast("dict[str, Any]", parameters),
        strict=strict or False,
    )


def _read_custom(fields: dict[str, Any], param: str) -> Tool:
    form, _ = _flat(fields.get("format") or {"type": "text"})
    grammar = None
    if form.get("type") == "grammar":
        syntax, definition = form.get("syntax"), form.get("definition")
        if syntax not in ("lark", "regex") or not isinstance(definition, str):
            raise InvalidRequestError(
                f"`{param}.format` must have a `syntax` (lark or regex) and a `definition`.", param=f"{param}.format"
            )
        grammar = Grammar(syntax, definition)
    elif form.get("type") != "text":
        raise InvalidRequestError(
            f"`{param}.format.type` must be `text` or `grammar`, found `{form.get('type')}`.", param=f"{param}.format"
        )
    return Tool(
        kind="custom",
        name=_name(fields, param),
        description=_text(fields, "description", param),
        parameters={"type": "object", "properties": {}},
        grammar=grammar,
    )


_READERS = {"function": _read_function, "custom": _read_custom}


def _name(fields: dict[str, Any], param: str) -> str:
    name = fields.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"`{param}.name` must be 1 to 128 letters, digits, `_`, `-`, `.` or `/` (found: {json.dumps(name)[:100]}).",
            param=f"{param}.name",
        )
    return name


def _text(fields: dict[str, Any], name: str, param: str) -> str:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"`{param}.{name}` must be text.", param=f"{param}.{name}")
    return value or ""


def _join(preface: str, text: str) -> str:
    return f"{preface}\n\n{text}" if preface and text else preface or text
