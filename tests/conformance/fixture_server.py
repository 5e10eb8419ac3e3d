"""The product's own host, its MCP door extended by what the conformance suite asks for.

Transport, sessions, authentication, limits and dispatch are the product's; only the things that are
called are the suite's. The suite cannot send a token, so a wrapper around the whole gives it one.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import mcp_types as types
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from codex_windows_ai.host.app import create_app
from codex_windows_ai.host.host import Host
from codex_windows_ai.mcp.server import NAME
from tests.conformance.contents import PNG, embedded, picture, text
from tests.conformance.fixture_tools import fixture_tools
from tests.conformance.input_required_tools import content_of, elicit

STATIC: dict[str, str | bytes] = {
    "test://static-text": "This is the content of the static text resource.",
    "test://static-binary": PNG,
    "test://watched-resource": "Watched.",
}
TEMPLATE_PREFIX, TEMPLATE_SUFFIX = "test://template/", "/data"


class WithToken:
    """Gives requests without a token the host's own."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            MutableHeaders(scope=scope).setdefault("authorization", f"Bearer {self._token}")
        await self._app(scope, receive, send)


def product_app(host: Host) -> ASGIApp:
    """The product as it is."""
    return WithToken(create_app(host), str(host.token))


def fixture_app(host: Host) -> ASGIApp:
    """The product with the suite's tools, resources and prompts."""
    bus = InMemorySubscriptionBus()
    app = create_app(host, mcp_tools=fixture_tools(bus))
    server = app.state.mcp.server
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    handlers: list[tuple[str, type[Any], Any]] = [
        ("resources/list", types.PaginatedRequestParams, list_resources),
        ("resources/templates/list", types.PaginatedRequestParams, list_templates),
        ("resources/read", types.ReadResourceRequestParams, read_resource),
        ("resources/subscribe", types.SubscribeRequestParams, acknowledge),
        ("resources/unsubscribe", types.UnsubscribeRequestParams, acknowledge),
        ("prompts/list", types.PaginatedRequestParams, list_prompts),
        ("prompts/get", types.GetPromptRequestParams, get_prompt),
        ("completion/complete", types.CompleteRequestParams, complete),
        ("logging/setLevel", types.SetLevelRequestParams, acknowledge),
        ("subscriptions/listen", types.SubscriptionsListenRequestParams, ListenHandler(bus)),
    ]
    for method, parameters, handler in handlers:
        server.add_request_handler(method, parameters, handler)
    return WithToken(app, str(host.token))


async def acknowledge(context: Any, parameters: Any) -> types.EmptyResult:
    return types.EmptyResult()


async def list_resources(context: Any, parameters: Any) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=[types.Resource(uri=uri, name=uri) for uri in STATIC])


async def list_templates(context: Any, parameters: Any) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(uri_template=f"{TEMPLATE_PREFIX}{{id}}{TEMPLATE_SUFFIX}", name="template")
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(context: Any, parameters: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = parameters.uri
    if uri.startswith(TEMPLATE_PREFIX) and uri.endswith(TEMPLATE_SUFFIX):
        found: str | bytes | None = json.dumps(
            {"id": uri.removeprefix(TEMPLATE_PREFIX).removesuffix(TEMPLATE_SUFFIX), "templateTest": True}
        )
    else:
        found = STATIC.get(uri)
    if found is None:
        raise MCPError(types.INVALID_PARAMS, "There is no such resource.", {"uri": uri})
    if isinstance(found, str):
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, mime_type="text/plain", text=found)]
        )
    blob = base64.b64encode(found).decode()
    return types.ReadResourceResult(contents=[types.BlobResourceContents(uri=uri, mime_type="image/png", blob=blob)])


async def list_prompts(context: Any, parameters: Any) -> types.ListPromptsResult:
    arguments = {
        "test_simple_prompt": [],
        "test_prompt_with_arguments": ["arg1", "arg2"],
        "test_prompt_with_embedded_resource": ["resourceUri"],
        "test_prompt_with_image": [],
        "test_input_required_result_prompt": [],
    }
    return types.ListPromptsResult(
        prompts=[
            types.Prompt(
                name=name,
                description=f"What the suite knows as {name}.",
                arguments=[types.PromptArgument(name=each, required=True) for each in names],
            )
            for name, names in arguments.items()
        ]
    )


async def get_prompt(
    context: Any, parameters: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    given = parameters.arguments or {}
    if parameters.name == "test_input_required_result_prompt":
        replies = parameters.input_responses or {}
        if "user_context" not in replies:
            ask: dict[str, Any] = {"user_context": elicit("Which context?", "context")}
            return types.InputRequiredResult(input_requests=ask)
        return messages(text(f"Use this context: {content_of(replies['user_context']).get('context')}"))
    match parameters.name:
        case "test_simple_prompt":
            return messages(text("This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            return messages(text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"))
        case "test_prompt_with_embedded_resource":
            return messages(embedded(given["resourceUri"], "Embedded for testing."), text("Read the resource above."))
        case "test_prompt_with_image":
            return messages(picture(), text("Look at the picture above."))
        case _:
            raise MCPError(types.INVALID_PARAMS, "There is no such prompt.")


def messages(*contents: types.ContentBlock) -> types.GetPromptResult:
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content) for content in contents])


async def complete(context: Any, parameters: types.CompleteRequestParams) -> types.CompleteResult:
    return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))
