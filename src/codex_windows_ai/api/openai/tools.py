"""`tools` and `tool_choice` in the shape of either of OpenAI's APIs, which nest them differently.

Tools in a namespace (an MCP server's, as Codex sends them) are shown to the model as
`namespace__name`, and handed back to the caller with both names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from codex_windows_ai.api.shared.body import unknown_keys
from codex_windows_ai.api.shared.conversation_body import ConversationBody
from codex_windows_ai.api.shared.tools import OfferedTools, name_of, some, text_of
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.json_values import as_object
from codex_windows_ai.protocol.tools import Tool, ToolMode, ToolSet

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


def tool_set_of(body: ConversationBody, items: Sequence[Any], left_out: list[str]) -> ToolSet:
    """The tools that a request brings, with its choice. Raises as `read_tools` and `make_tool_set`."""
    return make_tool_set(read_tools(items, left_out=left_out), body.tool_choice, parallel=body.parallel_tool_calls)


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
        return ToolSet(
            tools, "required", frozenset({OfferedTools(tools).chosen(item, "tool_choice")}), parallel or False
        )
    parallel = parallel is not False
    if choice is None:
        return ToolSet(tools, parallel=parallel)
    if choice in ("auto", "none"):
        return ToolSet(tools, mode=cast("ToolMode", choice), parallel=parallel)
    if choice in ("required", "any"):
        return ToolSet(some(tools, "required"), mode="required", parallel=parallel)
    if item.get("type") == "allowed_tools" and item.get("mode") in ("auto", "required"):
        listed = cast("list[Any]", item["tools"]) if isinstance(item.get("tools"), list) else []
        offered = OfferedTools(tools)
        names = [offered.chosen(_flat(entry)[0], f"{place}.tools[{n}]") for n, entry in enumerate(listed)]
        if not names:
            raise InvalidRequestError(f"`{place}.tools` must name a tool that may be called.", param=f"{place}.tools")
        return ToolSet(tools, cast("ToolMode", item["mode"]), frozenset(names), parallel)
    raise InvalidRequestError(
        f"`tool_choice` is not understood (found: {json.dumps(choice, default=str)[:100]}).",
        hint='Supported: "auto", "none", "required", a named function or custom tool, and `allowed_tools`.',
        param="tool_choice",
    )


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
    namespace = name_of(fields, param)
    members = fields.get("tools")
    if not isinstance(members, list):
        raise InvalidRequestError(f"`{param}.tools` must be a list of tools.", param=f"{param}.tools")
    preface = text_of(fields, "description", param)
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
        name=name_of(fields, param),
        description=text_of(fields, "description", param),
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
        name=name_of(fields, param),
        description=text_of(fields, "description", param),
        parameters={"type": "object", "properties": {}},
        grammar=grammar,
    )


_READERS = {"function": _read_function, "custom": _read_custom}


def _join(preface: str, text: str) -> str:
    return f"{preface}\n\n{text}" if preface and text else preface or text
