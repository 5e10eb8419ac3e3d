"""`tools` and `tool_choice` in the shape of either of OpenAI's APIs, which nest them differently.

Tools in a namespace (an MCP server's, as Codex sends them) are shown to the model as
`namespace__name`, and handed back to the caller with both names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.tools import Tool, ToolMode, ToolSet

NAME = r"[A-Za-z0-9_./-]{1,128}"
"""A tool's name by MCP's rule: https://modelcontextprotocol.io/specification/draft/server/tools (tool names)."""

_NAME = re.compile(NAME)


def read_tools(items: Sequence[Any], param: str = "tools", *, without: Sequence[str] = ()) -> tuple[Tool, ...]:
    """The tools of a request, in the shape of the Responses or of the Chat Completions API.

    Tools of the types in `without` are left out; whoever asks for that says so in the answer.

    Raises InvalidRequestError: a tool that is malformed, of a kind that only OpenAI's own servers
    run, or two of the same name.
    """
    tools: list[Tool] = []
    for index, item in enumerate(items):
        tools += _read_item(item, f"{param}[{index}]", without)
    seen: set[str] = set()
    for tool in tools:
        if tool.qualified_name in seen:
            raise InvalidRequestError(f"Two tools are called `{tool.qualified_name}`.", param=param)
        seen.add(tool.qualified_name)
    return tuple(tools)


def make_tool_set(tools: tuple[Tool, ...], choice: object = None, *, parallel: bool | None = None) -> ToolSet:
    """The tools with a request's `tool_choice`, in the shape of either API; None means "auto".

    Where the caller does not say whether it takes calls in `parallel` it does, except that a tool
    asked for by its name is called once.

    Raises InvalidRequestError: the choice is malformed, or names a tool that is not there.
    """
    item = _flat(choice)
    if item.get("type") in ("function", "custom"):
        return ToolSet(tools, "required", frozenset({_chosen(item, tools, "tool_choice")}), parallel or False)
    parallel = parallel is not False
    if choice is None:
        return ToolSet(tools, parallel=parallel)
    if choice in ("auto", "none"):
        return ToolSet(tools, mode=cast("ToolMode", choice), parallel=parallel)
    if choice == "required":
        return ToolSet(_some(tools, "required"), mode="required", parallel=parallel)
    if item.get("type") == "allowed_tools" and item.get("mode") in ("auto", "required"):
        listed = cast("list[Any]", item.get("tools") or [])
        names = [_chosen(_flat(entry), tools, f"tool_choice.tools[{n}]") for n, entry in enumerate(listed)]
        _some(names, "allowed_tools")
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


def _chosen(item: dict[str, Any], tools: tuple[Tool, ...], param: str) -> str:
    name, namespace = item.get("name"), item.get("namespace")
    for tool in tools:
        if (tool.name, tool.namespace) == (name, namespace) or (namespace is None and tool.qualified_name == name):
            return tool.qualified_name
    offered = ", ".join(f"`{tool.qualified_name}`" for tool in tools) or "none"
    raise InvalidRequestError(f"There is no tool `{name}` to choose; offered: {offered}.", param=param)


def _flat(item: object) -> dict[str, Any]:
    """A tool or choice of the Chat Completions API, which nests what the Responses API does not."""
    fields = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
    nested = fields.get(str(fields.get("type")))
    return {"type": fields["type"], **cast("dict[str, Any]", nested)} if isinstance(nested, dict) else fields


def _read_item(item: object, param: str, without: Sequence[str]) -> list[Tool]:
    fields = _flat(item)
    kind = fields.get("type")
    if kind in without:
        return []
    if kind == "namespace":
        return _read_namespace(fields, param)
    if kind == "function":
        return [_read_function(fields, param)]
    if kind == "custom":
        return [_read_custom(fields, param)]
    raise InvalidRequestError(
        f"`{param}`: tools of the type `{kind}` are not supported; supported: function, custom, namespace.",
        hint="Only OpenAI's own servers run that kind of tool; leave it out."
        + (' In Codex: `web_search = "disabled"`.' if kind == "web_search" else ""),
        param=f"{param}.type",
    )


def _read_namespace(fields: dict[str, Any], param: str) -> list[Tool]:
    """The tools of one MCP server; what the server says of itself goes before its first tool's description."""
    namespace = _name(fields, param)
    members = fields.get("tools")
    if not isinstance(members, list):
        raise InvalidRequestError(f"`{param}.tools` must be a list of tools.", param=f"{param}.tools")
    preface = _text(fields, "description", param)
    tools: list[Tool] = []
    for index, member in enumerate(cast("list[Any]", members)):
        place = f"{param}.tools[{index}]"
        inner = _flat(member)
        if inner.get("type") not in ("function", "custom"):
            raise InvalidRequestError(
                f"`{place}`: a namespace holds functions and custom tools, found `{inner.get('type')}`.", param=place
            )
        read = _read_function if inner["type"] == "function" else _read_custom
        tools.append(read(inner, place, namespace=namespace, preface=preface))
        preface = ""
    return tools


def _read_function(fields: dict[str, Any], param: str, *, namespace: str | None = None, preface: str = "") -> Tool:
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
        namespace=namespace,
        description=_join(preface, _text(fields, "description", param)),
        parameters=cast("dict[str, Any]", parameters),
        strict=strict or False,
    )


def _read_custom(fields: dict[str, Any], param: str, *, namespace: str | None = None, preface: str = "") -> Tool:
    form: Any = fields.get("format") or {"type": "text"}
    form = _flat(form)
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
        namespace=namespace,
        description=_join(preface, _text(fields, "description", param)),
        parameters={"type": "object", "properties": {}},
        grammar=grammar,
    )


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
