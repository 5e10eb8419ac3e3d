"""Tools in the shapes of both APIs are one kind of tool."""

from __future__ import annotations

from typing import Any

import pytest

from codex_windows_ai.api.openai.tools import make_tool_set, read_tools
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.tools import Tool

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
LARK = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}
FUNCTION = {"type": "function", "name": "read", "description": "Reads.", "parameters": SCHEMA, "strict": True}
CUSTOM = {"type": "custom", "name": "patch", "format": LARK}
SERVER = {"type": "namespace", "name": "mcp__pc", "description": "This PC.", "tools": [FUNCTION, CUSTOM]}


@pytest.mark.parametrize(
    ("item", "tool"),
    [
        (FUNCTION, Tool("function", "read", description="Reads.", parameters=SCHEMA, strict=True)),
        (
            {"type": "function", "function": {"name": "read", "description": "Reads.", "parameters": SCHEMA}},
            Tool("function", "read", description="Reads.", parameters=SCHEMA),
        ),
        (
            CUSTOM,
            Tool(
                "custom",
                "patch",
                parameters={"type": "object", "properties": {}},
                grammar=Grammar("lark", 'start: "a"'),
            ),
        ),
        (
            {
                "type": "custom",
                "custom": {
                    "name": "patch",
                    "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"'}},
                },
            },
            Tool(
                "custom",
                "patch",
                parameters={"type": "object", "properties": {}},
                grammar=Grammar("lark", 'start: "a"'),
            ),
        ),
    ],
)
def test_both_apis_name_the_same_tool(item: dict[str, Any], tool: Tool) -> None:
    assert read_tools([item]) == (tool,)


def test_a_server_of_tools_is_a_tool_each_under_its_name() -> None:
    read, patch = read_tools([SERVER])

    assert (read.namespace, read.name, read.qualified_name) == ("mcp__pc", "read", "mcp__pc__read")
    assert read.description == "This PC.\n\nReads."
    assert patch.qualified_name == "mcp__pc__patch"


@pytest.mark.parametrize(
    ("choice", "mode", "callable_names"),
    [
        (None, "auto", ["read", "patch"]),
        ("auto", "auto", ["read", "patch"]),
        ("none", "none", []),
        ("required", "required", ["read", "patch"]),
        ("any", "required", ["read", "patch"]),
        ({"type": "any"}, "required", ["read", "patch"]),
        ({"type": "none"}, "none", []),
        ({"type": "function", "name": "read"}, "required", ["read"]),
        ({"type": "function", "function": {"name": "read"}}, "required", ["read"]),
        ({"type": "custom", "name": "patch"}, "required", ["patch"]),
        ({"type": "custom", "custom": {"name": "patch"}}, "required", ["patch"]),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "patch"}]},
            "auto",
            ["patch"],
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "read"}}]},
            },
            "required",
            ["read"],
        ),
    ],
)
def test_a_choice_says_which_tools_may_and_must_be_called(choice: Any, mode: str, callable_names: list[str]) -> None:
    tool_set = make_tool_set(read_tools([FUNCTION, CUSTOM]), choice)

    assert tool_set.mode == mode
    assert [tool.name for tool in tool_set.callable] == callable_names


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, True),
        ("required", None, True),
        ("required", False, False),
        ({"type": "function", "name": "read"}, None, False),
        ({"type": "function", "name": "read"}, True, True),
    ],
)
def test_calls_come_in_parallel_unless_one_tool_is_named(choice: Any, parallel: bool | None, expected: bool) -> None:
    assert make_tool_set(read_tools([FUNCTION]), choice, parallel=parallel).parallel == expected


def test_a_tool_in_a_namespace_is_chosen_by_either_name() -> None:
    tools = read_tools([SERVER])

    for choice in ({"name": "mcp__pc__read"}, {"name": "read", "namespace": "mcp__pc"}):
        assert make_tool_set(tools, {"type": "function", **choice}).callable == tools[:1]


@pytest.mark.parametrize(
    "choice",
    ["sometimes", 3, {"type": "mcp"}, {"type": "function", "name": "gone"}, {"type": "allowed_tools", "mode": "auto"}],
)
def test_a_choice_that_is_not_understood_is_refused(choice: Any) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        make_tool_set(read_tools([FUNCTION]), choice)
    assert (refused.value.param or "").startswith("tool_choice")


def test_required_without_tools_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="no tool is offered"):
        make_tool_set((), "required")


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({}, "tools[0].type"),
        ("read", "tools[0].type"),
        ({"type": "function"}, "tools[0].name"),
        ({"type": "function", "function": {"description": "x"}}, "tools[0].function.name"),
        ({"type": "function", "function": {"name": "a", "strict": 1}, "cache_control": {}}, "tools[0].function.strict"),
        ({"type": "function", "name": "two words"}, "tools[0].name"),
        ({"type": "function", "name": 'a"b'}, "tools[0].name"),
        ({"type": "function", "name": "a", "parameters": []}, "tools[0].parameters"),
        ({"type": "function", "name": "a", "strict": "yes"}, "tools[0].strict"),
        ({"type": "function", "name": "a", "description": 3}, "tools[0].description"),
        ({"type": "custom", "name": "a", "format": {"type": "yaml"}}, "tools[0].format"),
        ({"type": "custom", "name": "a", "format": {"type": "grammar", "syntax": "bnf"}}, "tools[0].format"),
        ({"type": "namespace", "name": "a"}, "tools[0].tools"),
        ({"type": "namespace", "name": "a", "tools": [SERVER]}, "tools[0].tools[0]"),
    ],
)
def test_a_tool_that_is_not_understood_is_refused_by_its_place(item: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_tools([item])
    assert refused.value.param == param


def test_of_two_tools_of_one_name_the_first_is_offered_and_the_other_named() -> None:
    flat, left_out = {"type": "function", "name": "mcp__pc__read"}, list[str]()

    tools = read_tools([SERVER, flat, flat, SERVER], left_out=left_out)

    assert [tool.qualified_name for tool in tools] == ["mcp__pc__read", "mcp__pc__patch"]
    assert left_out == [f"tools[{n}]: another tool is called mcp__pc__read" for n in (1, 2)]


@pytest.mark.parametrize("kind", ["web_search", "mcp", "image_generation", "computer_use_preview", "not_yet_invented"])
def test_tools_that_only_others_can_run_are_left_out_and_named(kind: str) -> None:
    inside, left_out = {"type": "namespace", "name": "pc", "tools": [{"type": kind}]}, list[str]()

    tools = read_tools([{"type": kind, "server_url": "http://localhost"}, FUNCTION, inside], left_out=left_out)

    assert tools == read_tools([FUNCTION])
    assert left_out == [f"tools[0]: {kind}", f"tools[2].tools[0]: {kind}"]


@pytest.mark.parametrize(
    "choice", ["required", {"type": "web_search"}, {"type": "function", "name": "web_search"}], ids=str
)
def test_a_choice_of_a_tool_that_was_left_out_is_refused(choice: Any) -> None:
    with pytest.raises(InvalidRequestError, match="tool"):
        make_tool_set(read_tools([{"type": "web_search"}]), choice)


@pytest.mark.parametrize(
    ("tool", "named"),
    [
        ({**FUNCTION, "defer_loading": True}, ["tools[0].defer_loading"]),
        (
            {"type": "function", "function": {"name": "f", "examples": []}, "cache_control": {"type": "ephemeral"}},
            ["tools[0].cache_control", "tools[0].function.examples"],
        ),
    ],
)
def test_fields_of_a_tool_that_are_not_known_are_named(tool: Any, named: list[str]) -> None:
    left_out: list[str] = []
    read_tools([tool], left_out=left_out)

    assert left_out == named


@pytest.mark.parametrize("name", ["fs.read_file", "git/status", "a", "x" * 128])
def test_a_tool_is_named_by_mcps_rule(name: str) -> None:
    assert read_tools([{"type": "function", "name": name}])[0].name == name


def test_thousands_of_tools_may_be_chosen_from_thousands() -> None:
    tools = read_tools([{"type": "function", "name": f"t{number}"} for number in range(30_000)])
    listed = [{"type": "function", "name": f"t{number}"} for number in range(30_000)]

    chosen = make_tool_set(tools, {"type": "allowed_tools", "mode": "auto", "tools": listed})

    assert chosen.only == {tool.name for tool in tools}
