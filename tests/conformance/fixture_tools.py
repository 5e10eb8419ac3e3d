"""The tools that the conformance suite calls, by the names and with the answers that it expects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server.subscriptions import PromptsListChanged, SubscriptionBus, ToolsListChanged
from mcp.shared.exceptions import MCPError
from pydantic import ConfigDict

from codex_windows_ai.mcp.tool import Arguments, Call, ProtocolResult, Tool, tool_annotations
from tests.conformance.contents import embedded, picture, sound, text
from tests.conformance.input_required_tools import input_required_tools

Answer = Callable[[Call], Awaitable[ProtocolResult]]

STRICT_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
CHOICES = [{"const": name, "title": name.title()} for name in ("low", "high")]
ENUMS: dict[str, Any] = {
    "untitledSingle": {"type": "string", "enum": ["low", "high"]},
    "titledSingle": {"type": "string", "oneOf": CHOICES},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["low", "high"]}},
    "titledMulti": {"type": "array", "items": {"anyOf": CHOICES}},
    "legacyEnum": {"type": "string", "enum": ["low", "high"], "enumNames": ["Low", "High"]},
}
DEFAULTS: dict[str, Any] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}


class Anything(Arguments):
    """Whatever a scenario passes."""

    model_config = ConfigDict(extra="allow")


def fixture(name: str, answer: Answer, schema: dict[str, Any] | None = None) -> Tool:
    """A tool of the suite."""

    async def run(arguments: Anything, call: Call) -> ProtocolResult:
        return await answer(call)

    return Tool(
        name,
        name,
        f"What the suite knows as {name}.",
        run,
        tool_annotations(read_only=True),
        Anything,
        input_schema=schema or {"type": "object"},
    )


def says(*contents: types.ContentBlock, is_error: bool = False) -> Answer:
    """A tool that always answers the same."""

    async def answer(call: Call) -> ProtocolResult:
        return types.CallToolResult(content=list(contents), is_error=is_error)

    return answer


def result(words: str) -> types.CallToolResult:
    return types.CallToolResult(content=[text(words)])


async def log(call: Call, words: str) -> None:
    await call.context.session.send_log_message("info", words, related_request_id=call.context.request_id)  # pyright: ignore


async def logs(call: Call) -> ProtocolResult:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await log(call, words)
    return result("logged")


async def reports(call: Call) -> ProtocolResult:
    for done in (0, 50, 100):
        await call.context.session.report_progress(done, 100, f"{done} of 100")
    return result("reported")


async def samples(call: Call) -> ProtocolResult:
    prompt = str((call.parameters.arguments or {}).get("prompt"))
    answer = await call.context.session.create_message(  # pyright: ignore
        [types.SamplingMessage(role="user", content=text(prompt))],
        max_tokens=100,
        related_request_id=call.context.request_id,
    )
    return result(f"LLM response: {getattr(answer.content, 'text', None)}")


def elicits(properties: dict[str, Any], required: list[str]) -> Answer:
    """A tool that asks its user for `properties`."""

    async def answer(call: Call) -> ProtocolResult:
        message = str((call.parameters.arguments or {}).get("message", "Please tell"))
        schema = {"type": "object", "properties": properties, "required": required}
        reply = await call.context.session.elicit_form(message, schema, call.context.request_id)
        return result(f"User response: action={reply.action}, content={reply.content}")

    return answer


async def needs_sampling(call: Call) -> ProtocolResult:
    capabilities = call.context.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        needed = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "This needs sampling.", needed)
    return result("It can sample.")


def announces(bus: SubscriptionBus, event: Any) -> Answer:
    """A tool that tells subscribers of a change."""

    async def answer(call: Call) -> ProtocolResult:
        await bus.publish(event)
        return result("announced")

    return answer


def fixture_tools(bus: SubscriptionBus) -> list[Tool]:
    """All of them."""
    data = embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    region = {"region": {"type": "string", "x-mcp-header": "Region"}}
    return [
        fixture("test_simple_text", says(text("This is a simple text response for testing."))),
        fixture("test_image_content", says(picture())),
        fixture("test_audio_content", says(sound())),
        fixture("test_embedded_resource", says(embedded("test://embedded-resource", "This is embedded."))),
        fixture("test_multiple_content_types", says(text("Several kinds:"), picture(), data)),
        fixture("test_error_handling", says(text("This tool intentionally fails."), is_error=True)),
        fixture("test_tool_with_logging", logs),
        fixture("test_logging_tool", logs),
        fixture("test_tool_with_progress", reports),
        fixture("test_sampling", samples),
        fixture("test_elicitation", elicits({"response": {"type": "string"}}, ["response"])),
        fixture("test_elicitation_sep1034_defaults", elicits(DEFAULTS, [])),
        fixture("test_elicitation_sep1330_enums", elicits(ENUMS, [])),
        fixture("test_missing_capability", needs_sampling),
        fixture("test_trigger_tool_change", announces(bus, ToolsListChanged())),
        fixture("test_trigger_prompt_change", announces(bus, PromptsListChanged())),
        fixture("test_x_mcp_header", says(text("heard")), {"type": "object", "properties": region}),
        fixture("json_schema_2020_12_tool", says(text("strict")), STRICT_SCHEMA),
        *(fixture(name, answer) for name, answer in input_required_tools().items()),
    ]
