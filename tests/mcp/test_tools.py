"""The tools, as the SDK's own client sees them in both protocol generations."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp.shared.exceptions import MCPError

from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.mcp.runtime_access import RuntimeAccess
from codex_windows_ai.mcp.tools import built_in_tools
from tests.mcp.conftest import Connect

NAMES = ["generate", "list_actions", "invoke_action", "gpu_stats", "optimized_path"]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("generate", {"prompt": "the", "max_output_tokens": 4}),
    ("list_actions", {}),
    ("invoke_action", {"action": "summarise", "text": "the", "max_output_tokens": 4}),
    ("gpu_stats", {}),
    ("optimized_path", {}),
]


def test_every_tool_has_a_title_a_description_schemas_and_all_annotations(connect: Connect) -> None:
    async def look() -> None:
        async with connect() as client:
            tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == NAMES
        for tool in tools:
            assert tool.title and tool.description and tool.output_schema and tool.annotations
            assert tool.input_schema["additionalProperties"] is False
            hints = tool.annotations.model_dump(exclude={"title"})
            assert None not in hints.values(), tool.name
        careful = {tool.name for tool in tools if tool.annotations and not tool.annotations.read_only_hint}
        assert careful == {"invoke_action"}

    asyncio.run(look())


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=NAMES)
def test_a_result_fits_its_schema_and_says_the_same_in_text(
    connect: Connect, name: str, arguments: dict[str, Any]
) -> None:
    async def look() -> None:
        async with connect() as client:
            schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
            result = await client.call_tool(name, arguments)
        assert not result.is_error, result.content
        schema = schemas[name]
        assert schema is not None
        jsonschema.validate(result.structured_content, schema)
        assert [json.loads(part.text) for part in result.content] == [result.structured_content]  # pyright: ignore

    asyncio.run(look())


def test_an_answer_says_what_it_took_and_who_gave_it(connect: Connect) -> None:
    async def look() -> None:
        async with connect() as client:
            result = await client.call_tool("generate", {"prompt": "the", "max_output_tokens": 4, "seed": 1})
        answer = result.structured_content
        assert answer is not None
        assert answer["usage"]["output_tokens"] == 4
        assert answer["finish_reason"] == "length"
        who = answer["windows_ai"]
        assert (who["provider"], who["model"], who["transport"]) == ("engine", "tiny", "mcp")
        assert who["execution_provider"] == "CPUExecutionProvider"
        assert {refused["provider"] for refused in who["refused"]} >= {"engine:gpu", "engine:npu"}
        assert who["timings_ms"]["total"] > 0

    asyncio.run(look())


@pytest.mark.parametrize(
    ("grammar", "pattern"),
    [
        ({"json_schema": {"type": "object", "properties": {"n": {"enum": [7]}}, "required": ["n"]}}, None),
        ({"regex": "(ab){3}"}, "ababab"),
        ({"lark": 'start: "yes" | "no"'}, None),
    ],
    ids=["json_schema", "regex", "lark"],
)
def test_an_answer_follows_the_grammar_that_was_given(
    connect: Connect, grammar: dict[str, Any], pattern: str | None
) -> None:
    async def look() -> None:
        async with connect() as client:
            result = await client.call_tool("generate", {"prompt": "the", "max_output_tokens": 100, **grammar})
        assert result.structured_content is not None, result.content
        text = result.structured_content["text"]
        if "json_schema" in grammar:
            # Whitespace is free in JSON, and a random model may like nothing else.
            assert text and '{"n":7}'.startswith("".join(text.split()))
        elif pattern:
            assert text == pattern
        else:
            assert text in ("yes", "no")

    asyncio.run(look())


PRODUCT = {"allOf": [{"type": "integer", "multipleOf": factor} for factor in (3, 5, 7, 11, 13, 17, 19, 23)]}
"""A schema that would compile for hours."""


def test_a_schema_that_cannot_be_followed_is_loosened_and_the_answer_says_so(connect: Connect) -> None:
    properties = {"n": {"enum": [7]}, "product": PRODUCT}
    schema = {"type": "object", "properties": properties, "required": ["n"], "additionalProperties": False}

    async def look() -> None:
        async with connect() as client:
            result = await client.call_tool(
                "generate", {"prompt": "a", "max_output_tokens": 100, "json_schema": schema}
            )
            whole = await client.call_tool("generate", {"prompt": "a", "max_output_tokens": 9, "json_schema": {}})
        assert result.structured_content is not None, result.content
        assert whole.structured_content is not None, whole.content
        (remark,) = result.structured_content["windows_ai"]["loosened"]
        assert remark["format"] == "json_schema"
        assert "#/properties/product/" in remark["reason"]
        assert result.structured_content["text"].startswith('{"n": 7')
        assert not whole.structured_content["windows_ai"]["loosened"]

    asyncio.run(look())


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("generate", {"prompt": "a", "regex": "a", "lark": "b"}, "Give one of"),
        ("generate", {"promt": "a"}, "`promt`"),
        ("generate", {"prompt": "a", "max_output_tokens": 0}, "`max_output_tokens`"),
        ("generate", {"prompt": "the " * 600}, "Shorten the prompt"),
        ("generate", {"prompt": "a", "regex": "("}, "regex"),
        ("generate", {"prompt": "a", "lark": f"start: %json {json.dumps(PRODUCT)}"}, "takes too much to compile"),
        ("invoke_action", {"action": "sing", "text": "a"}, "summarise"),
        ("gpu_stats", {"adapter": 1}, "`adapter`"),
    ],
)
def test_a_call_that_cannot_be_answered_says_what_to_do(
    connect: Connect, name: str, arguments: dict[str, Any], words: str
) -> None:
    async def look() -> None:
        async with connect() as client:
            result = await client.call_tool(name, arguments)
        assert result.is_error
        assert words in result.content[0].text  # pyright: ignore

    asyncio.run(look())


def test_a_tool_that_does_not_exist_is_an_error_of_the_protocol(connect: Connect) -> None:
    async def look() -> None:
        async with connect() as client:
            with pytest.raises(MCPError, match=r"no tool `sing`; there are: generate, list_actions"):
                await client.call_tool("sing", {})

    asyncio.run(look())


def test_all_tools_together_cost_an_agent_few_tokens(default_model: Path) -> None:
    """What clients put into their prompt: names, descriptions and parameters."""

    async def never() -> Any:
        raise AssertionError("nothing is called")

    definitions = [tool.definition() for tool in built_in_tools(RuntimeAccess(never, lambda: None))]
    shown = [{"name": d.name, "description": d.description, "parameters": d.input_schema} for d in definitions]
    tokens = len(Tokenizer(default_model / "tokenizer.json").encode_text(json.dumps(shown, separators=(",", ":"))))
    assert tokens < 450
