"""The suite's tools that need something of the client before they can answer (protocol 2026-07-28)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp_types as types

from codex_windows_ai.mcp.tool import Call, ProtocolResult
from tests.conformance.contents import text

Answer = Callable[[Call], Awaitable[ProtocolResult]]
Ask = types.ElicitRequest | types.CreateMessageRequest | types.ListRootsRequest


def elicit(message: str, name: str, kind: str = "string") -> types.ElicitRequest:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=text(prompt))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=50))


def done(words: str) -> types.CallToolResult:
    return types.CallToolResult(content=[text(words)])


def asks_once(requests: Mapping[str, Ask], say: Callable[[Mapping[str, Any]], str], state: str | None = None) -> Answer:
    """A tool that asks for everything in `requests`, then answers with `say` of the replies."""

    async def answer(call: Call) -> ProtocolResult:
        replies = call.parameters.input_responses or {}
        if requests.keys() <= replies.keys() and call.parameters.request_state == state:
            return done(say(replies))
        return types.InputRequiredResult(input_requests=dict(requests), request_state=state)

    return answer


async def asks_twice(call: Call) -> ProtocolResult:
    """The state says how far it is, and what was heard."""
    replies = call.parameters.input_responses or {}
    state = json.loads(call.parameters.request_state or '{"round":0}')
    if state["round"] == 1 and "step1" in replies:
        heard = {"round": 2, "name": content_of(replies["step1"]).get("name")}
        color = {"step2": elicit("Which color do you like?", "color")}
        return types.InputRequiredResult(input_requests=dict(color), request_state=json.dumps(heard))
    if state["round"] == 2 and "step2" in replies:
        return done(f"{state['name']} likes {content_of(replies['step2']).get('color')}.")
    first = {"step1": elicit("What is your name?", "name")}
    return types.InputRequiredResult(input_requests=dict(first), request_state='{"round":1}')


async def asks_what_the_client_can(call: Call) -> ProtocolResult:
    capabilities = call.context.session.client_capabilities or types.ClientCapabilities()
    requests: dict[str, types.InputRequest] = {}
    if capabilities.sampling is not None:
        requests["sample"] = sample("Say hello")
    if capabilities.elicitation is not None:
        requests["ask"] = elicit("What is your name?", "name")
    return types.InputRequiredResult(input_requests=requests, request_state="asked")


async def trusts_its_state(call: Call) -> ProtocolResult:
    """A state that was tampered with never gets here: the server's boundary refuses it."""
    if call.parameters.request_state is not None:
        return done("state-ok")
    confirm = {"confirm": elicit("Please confirm", "ok", "boolean")}
    return types.InputRequiredResult(input_requests=dict(confirm), request_state="asked")


def content_of(reply: Any) -> Mapping[str, Any]:
    return getattr(reply, "content", None) or {}


def input_required_tools() -> dict[str, Answer]:
    """All of them, by name."""
    name = elicit("What is your name?", "name")
    roots = types.ListRootsRequest()
    prefix = "test_input_required_result"
    return {
        f"{prefix}_elicitation": asks_once(
            {"user_name": name}, lambda replies: f"Hello, {content_of(replies['user_name']).get('name')}!"
        ),
        "test_streaming_elicitation": asks_once({"user_name": name}, lambda replies: "Heard."),
        f"{prefix}_sampling": asks_once(
            {"capital_question": sample("What is the capital of France?")},
            lambda replies: f"Model said: {getattr(content_of(replies['capital_question']), 'text', None)}",
        ),
        f"{prefix}_list_roots": asks_once(
            {"client_roots": roots}, lambda replies: f"Roots: {len(replies['client_roots'].roots)}"
        ),
        f"{prefix}_request_state": asks_once(
            {"confirm": elicit("Please confirm", "ok", "boolean")}, lambda replies: "state-ok", "nonce"
        ),
        f"{prefix}_multiple_inputs": asks_once(
            {"user_name": name, "greeting": sample("Greet"), "client_roots": roots}, lambda replies: "All here.", "all"
        ),
        f"{prefix}_multi_round": asks_twice,
        f"{prefix}_tampered_state": trusts_its_state,
        f"{prefix}_capabilities": asks_what_the_client_can,
    }
