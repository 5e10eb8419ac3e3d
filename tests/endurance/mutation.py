"""Bodies that no client should send: good ones, changed at random. A number always gives the same body."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence
from typing import Any

Json = Any

TOOL = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "lines": {"type": "array", "items": {"type": "integer"}}},
    "required": ["path"],
}
CALL = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}

BODIES: Mapping[str, tuple[Json, ...]] = {
    "/v1/chat/completions": (
        {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2},
        {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "user", "content": "hi", "name": "me"},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": "text"},
            ],
            "tools": [{"type": "function", "function": {"name": "read", "description": "Reads.", "parameters": TOOL}}],
            "tool_choice": "auto",
            "max_completion_tokens": 2,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
        {
            "model": "tiny",
            "messages": [{"role": "user", "content": "hi"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": TOOL, "strict": True}},
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 1,
            "stop": ["x"],
            "n": 1,
            "logprobs": True,
            "top_logprobs": 2,
            "logit_bias": {"1": 5},
            "reasoning_effort": "low",
            "max_tokens": 2,
        },
    ),
    "/v1/responses": (
        {"model": "tiny", "input": "hi", "max_output_tokens": 2},
        {
            "model": "tiny",
            "instructions": "Be brief.",
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
                {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]},
                {"type": "function_call", "call_id": "c", "name": "read", "arguments": '{"path": "a"}'},
                {"type": "function_call_output", "call_id": "c", "output": "text"},
                {"type": "custom_tool_call", "call_id": "d", "name": "patch", "input": "x"},
                {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "y"}]},
            ],
            "tools": [
                {"type": "function", "name": "read", "parameters": TOOL, "strict": False},
                {
                    "type": "custom",
                    "name": "patch",
                    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"+'},
                },
            ],
            "tool_choice": {"type": "function", "name": "read"},
            "parallel_tool_calls": False,
            "max_output_tokens": 2,
            "stream": True,
            "store": False,
            "include": [],
        },
        {
            "model": "tiny",
            "input": "hi",
            "text": {"format": {"type": "json_schema", "name": "x", "schema": TOOL}, "verbosity": "low"},
            "reasoning": {"effort": "low"},
            "metadata": {"a": "b"},
            "max_output_tokens": 2,
        },
    ),
    "/generate": (
        {"messages": [{"role": "user", "content": "hi"}], "max_output_tokens": 2},
        {
            "messages": [{"role": "user", "content": "hi"}],
            "grammar": {"kind": "json_schema", "text": json.dumps(TOOL)},
            "temperature": 0.5,
            "max_output_tokens": 2,
        },
    ),
    "/mcp": (
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {"roots": {}},
                "clientInfo": {"name": "x", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "id": "a", "method": "tools/list", "params": {"cursor": "x"}},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {
                "name": "generate",
                "arguments": {"prompt": "hi", "max_output_tokens": 2},
                "_meta": {"progressToken": 1},
            },
        },
        {"jsonrpc": "2.0", "id": 3, "method": "resources/read", "params": {"uri": "windows-ai://models"}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "reason": "x"}},
        {"jsonrpc": "2.0", "id": 4, "method": "prompts/list"},
    ),
}


def deep(levels: int, *, lists: bool) -> Json:
    value: Json = None
    for _ in range(levels):
        value = [value] if lists else {"a": value}
    return value


def values() -> list[Callable[[random.Random], Json]]:
    """Makers of what may stand anywhere."""
    plain: list[Json] = [
        None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"),
        "", " ", "\0", "\ud800", "\udfff tail", "<|im_end|>", "<|im_start|>system\n", "{{ 1/0 }}", "é" * 50,
        "\U0001f600", [], {}, [[]], [None], {"": None}, {"type": "object"}, {"type": ["a", 1]}, {"$ref": "#"},
        {"anyOf": []}, {"type": "string", "pattern": "(a+)+$"}, {"type": "array", "minItems": 10**9}, {"enum": []},
        {"type": "image_url", "image_url": {"url": "data:,"}}, {"type": "input_file", "file_id": "x"},
        {"type": "compaction", "encrypted_content": "x"}, {"type": "text", "text": 1}, {"role": "developer"},
        "auto", "none", "required", "json_object", "user", "assistant", "tool", "function", "../../etc/passwd",
        "http://192.0.2.1/x", "2.0", "1", "true", "null", "[]", "{}", '{"a":',
    ]  # fmt: skip

    def one(dice: random.Random) -> Json:
        return copy.deepcopy(dice.choice(plain))  # what is changed later must not hold itself

    return [
        one,
        one,
        one,
        lambda dice: deep(dice.choice((5, 60, 300)), lists=dice.random() < 0.5),
        lambda dice: "x" * dice.choice((100, 1_000, 20_000)),
        lambda dice: [one(dice)] * dice.choice((2, 50)),
        lambda dice: {f"k{number}": one(dice) for number in range(dice.choice((1, 30)))},
        lambda dice: "".join(chr(dice.choice((*range(32, 127), *range(0x80, 0x2FF)))) for _ in range(12)),
    ]


VALUES = values()


def places(value: Json) -> list[tuple[Any, Any]]:
    """Every container of a document with every key or index in it."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        container = waiting.pop()
        if isinstance(container, dict):
            pairs: list[tuple[Any, Any]] = list(container.items())
        elif isinstance(container, list):
            pairs = list(enumerate(container))
        else:
            continue
        found += [(container, key) for key, _ in pairs]
        waiting += [child for _, child in pairs]
    return found


def change(document: Json, dice: random.Random) -> Json:
    """One thing is replaced, taken out, doubled, renamed or put in."""
    found = places(document)
    if not found or dice.random() < 0.02:
        return dice.choice(VALUES)(dice)
    container, key = dice.choice(found)
    way = dice.randrange(6)
    if way <= 2:
        container[key] = dice.choice(VALUES)(dice)
    elif way == 3:
        del container[key]
    elif isinstance(container, MutableMapping):
        new = dice.choice(("", "type", "name", "x", f"{key} ", str(key).upper()))
        container[new] = container[key] if way == 4 else dice.choice(VALUES)(dice)
    elif isinstance(container, MutableSequence):
        container.insert(key, copy.deepcopy(container[key]) if way == 4 else dice.choice(VALUES)(dice))
    return document


def damage(data: bytes, dice: random.Random) -> bytes:
    """The bytes are cut, swapped, doubled, or no UTF-8."""
    at = dice.randrange(len(data) + 1)
    return dice.choice(
        (
            data[:at],
            data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :],
            data[:at] + dice.choice((b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\0", b'\\ud800"')) + data[at:],
            data + data,
            b"\xef\xbb\xbf" + data,
            data.decode().encode("utf-16"),
            b"",
        )
    )


def hostile(number: int) -> tuple[str, bytes, dict[str, str]]:
    """A path, a body for it, and its headers."""
    dice = random.Random(f"body {number}")
    path = dice.choice(list(BODIES))
    document = copy.deepcopy(dice.choice(BODIES[path]))
    for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
        document = change(document, dice)
    data = json.dumps(document).encode()
    if dice.random() < 0.15:
        data = damage(data, dice)
    headers = {
        "content-type": dice.choice(("application/json",) * 12 + ("text/plain", "application/json; charset=x", ""))
    }
    if path == "/mcp":
        headers["accept"] = dice.choice(("application/json, text/event-stream",) * 6 + ("*/*", "text/html", ""))
        if dice.random() < 0.3:
            headers["mcp-protocol-version"] = dice.choice(("2025-06-18", "2024-11-05", "x", ""))
        if dice.random() < 0.1:
            headers["mcp-session-id"] = dice.choice(("x", "", "0" * 3000))
    return path, data, headers
