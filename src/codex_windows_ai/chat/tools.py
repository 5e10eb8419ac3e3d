"""The tools a caller offers, in one form whichever door they came through.

A model calls a function as Hermes and Qwen models were trained to
(https://github.com/NousResearch/Hermes-Function-Calling):

    <tool_call>
    {"name": "read_file", "arguments": {"path": "a.txt"}}
    </tool_call>

A custom tool takes text that is no JSON; its call has the text on the lines below its name:

    <tool_call>
    {"name": "apply_patch"}
    *** Begin Patch
    …
    </tool_call>

Tools in a namespace (an MCP server's, as Codex sends them) are shown to the model as
`namespace__name`, and handed back to the caller with both names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.request import Grammar, ToolOffer

ToolKind = Literal["function", "custom"]
ToolMode = Literal["auto", "none", "required"]

CALL_BEGIN, CALL_END = "<tool_call>", "</tool_call>"

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class CallForm:
    """The text around a call's body, which is a function's arguments or a custom tool's input."""

    begin: str
    end: str

    def write(self, body: str) -> str:
        """The call as the model writes it."""
        return f"{self.begin}{body}{self.end}"


def call_form(kind: ToolKind, name: str) -> CallForm:
    """How a call of the tool with this (qualified) name is written."""
    quoted = json.dumps(name, ensure_ascii=False)
    if kind == "function":
        return CallForm(f'{CALL_BEGIN}\n{{"name": {quoted}, "arguments": ', f"}}\n{CALL_END}")
    return CallForm(f'{CALL_BEGIN}\n{{"name": {quoted}}}\n', f"\n{CALL_END}")


def qualified_name(name: str, namespace: str | None) -> str:
    """The name that the model sees."""
    return f"{namespace}__{name}" if namespace else name


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on offer. A function has `parameters`, a JSON schema; a custom tool may have a `grammar`.

    A `strict` function's arguments must match its schema in every keyword.
    """

    kind: ToolKind
    name: str
    namespace: str | None = None
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    strict: bool = False
    grammar: Grammar | None = None

    @property
    def qualified_name(self) -> str:
        """The name that the model sees."""
        return qualified_name(self.name, self.namespace)

    @property
    def form(self) -> CallForm:
        """How a call of it is written."""
        return call_form(self.kind, self.qualified_name)

    @property
    def definition(self) -> str:
        """What the model is told of it: the JSON text of an OpenAI chat tool."""
        function = {
            "name": self.qualified_name,
            "description": self.description if self.kind == "function" else self._custom_description(),
            "parameters": self.parameters,
        }
        return json.dumps({"type": "function", "function": function}, ensure_ascii=False)

    def _custom_description(self) -> str:
        parts = [self.description] if self.description else []
        parts.append(f"This tool takes plain text, not JSON. Call it as:\n{self.form.write('TEXT')}")
        if self.grammar is not None:
            parts.append(f"The text must match this {self.grammar.kind} grammar:\n{self.grammar.definition}")
        return "\n\n".join(parts)


@dataclass(frozen=True, slots=True)
class ToolSet:
    """The tools of one request, and what the caller wants done with them.

    `mode` "auto" leaves it to the model whether to call one, "required" makes it call, "none" forbids
    it. `only` are the qualified names of those that may be called, None meaning all. Without
    `parallel` an answer has one call at most.
    """

    tools: tuple[Tool, ...] = ()
    mode: ToolMode = "auto"
    only: frozenset[str] | None = None
    parallel: bool = True

    @property
    def callable(self) -> tuple[Tool, ...]:
        """Those the model may call now."""
        if self.mode == "none":
            return ()
        return tuple(tool for tool in self.tools if self.only is None or tool.qualified_name in self.only)

    @property
    def offer(self) -> ToolOffer | None:
        """What the model is told. All tools, whatever the choice is, so that the prompt stays the same."""
        if not self.tools:
            return None
        definitions = tuple(tool.definition for tool in self.tools)
        return ToolOffer(definitions, _INSTRUCTIONS.format(definitions="\n".join(definitions)))


_INSTRUCTIONS = """# Tools

You can call these functions, each described as JSON:
<tools>
{definitions}
</tools>

To call one, answer with its name and its arguments as JSON, like this:
<tool_call>
{{"name": "function_name", "arguments": {{"argument": "value"}}}}
</tool_call>
What it returns comes back to you in <tool_response></tool_response>."""


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
            f"`{param}.name` must be 1 to 128 letters, digits, `_`, `-` or `.` (found: {json.dumps(name)[:100]}).",
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
