"""The MCP door: a server of the official SDK behind streamable HTTP, in every protocol generation it speaks.

Clients of 2025 open a session and keep it; those of 2026-07-28 send everything with each request.
Both reach the same tools. The low-level server is used, because the convenient one configures the
process's logging and ignores arguments it does not know.

Clients ask for what was never announced, and some drop a server that answers "method not found". So there are lists of
prompts and of resource templates, which are empty, and whoever wants completions or sets a log level is not refused.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError
from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.mcp.accept import AcceptedKinds
from codex_windows_ai.mcp.incoming import IncomingMessages
from codex_windows_ai.mcp.resources import Resource, built_in_resources
from codex_windows_ai.mcp.runtime_access import RuntimeAccess
from codex_windows_ai.mcp.schema import describe_validation
from codex_windows_ai.mcp.tool import Call, ProtocolResult, Tool
from codex_windows_ai.mcp.tools import built_in_tools
from codex_windows_ai.serving.models import Loading
from codex_windows_ai.version import release
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

PATH = "/mcp"
NAME = "windows-ai"
INSTRUCTIONS = "This PC's own AI: a small, private, offline language model, text actions, and GPU figures."

_GONE = "codex_windows_ai.gone"
_Context = ServerRequestContext[Any, Any]
_T = TypeVar("_T")

log = logging.getLogger("codex_windows_ai.mcp")


class McpDoor:
    """What an application mounts: `routes`, and `lifespan` around everything that it serves.

    `server` takes further request handlers until the lifespan begins. One door serves one lifespan.
    """

    def __init__(self, server: Server[Any]) -> None:
        self.server = server
        self._manager = StreamableHTTPSessionManager(
            server,
            # Host, Origin, token and size are checked for all endpoints at once, by the application.
            max_request_body_size=sys.maxsize,
            security_settings=None,
        )
        # A Route without methods gives every method to an endpoint that is an ASGI application.
        door = IncomingMessages(StreamableHTTPASGIApp(self._manager))
        self.routes = [Route(PATH, _DepartureWatch(AcceptedKinds(door)))]

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None]:
        """While requests are served; its end cancels the calls that run."""
        async with self._manager.run():
            yield


def create_mcp(
    open_runtime: Callable[[], Awaitable[WindowsAiRuntime]],
    *,
    loading: Callable[[], Loading | None] = lambda: None,
    agent_of: Callable[[HTTPConnection], str] = lambda request: "mcp",
    extra_tools: Sequence[Tool] = (),
) -> McpDoor:
    """The door to one runtime.

    `open_runtime` waits until its model is loaded or raises WindowsAiError; `loading` says how far
    that is, without waiting. `agent_of` names who sends an HTTP request. `extra_tools` come from
    higher layers.
    """
    runtime = RuntimeAccess(open_runtime, loading)
    requests = _Requests((*built_in_tools(runtime), *extra_tools), built_in_resources(runtime), agent_of)
    server = _UnassumingServer(
        NAME,
        version=release(),
        title="Windows AI",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=requests.input_schemas.get,
        on_list_tools=requests.list_tools,
        on_call_tool=requests.call_tool,
        on_list_resources=requests.list_resources,
        on_list_resource_templates=requests.list_resource_templates,
        on_read_resource=requests.read_resource,
        on_list_prompts=requests.list_prompts,
        on_get_prompt=requests.get_prompt,
        on_completion=requests.complete,
    )
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, requests.set_log_level)
    return McpDoor(server)


class _UnassumingServer(Server[Any]):
    """Announces neither completions nor log messages, although it answers whoever asks for them all the same."""

    def get_capabilities(self, *given: Any, **named: Any) -> types.ServerCapabilities:
        """What the server can do."""
        capabilities = super().get_capabilities(*given, **named)
        return capabilities.model_copy(update={"completions": None, "logging": None})


class _Requests:
    """The requests of the protocol that this server knows, and what it answers."""

    def __init__(
        self, tools: Sequence[Tool], resources: Sequence[Resource], agent_of: Callable[[HTTPConnection], str]
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._resources = {resource.uri: resource for resource in resources}
        self._agent_of = agent_of
        self._definitions = [tool.definition() for tool in self._tools.values()]
        self.input_schemas = {definition.name: definition.input_schema for definition in self._definitions}

    async def list_tools(
        self, context: _Context, parameters: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=self._definitions)

    async def call_tool(self, context: _Context, parameters: types.CallToolRequestParams) -> ProtocolResult:
        tool = self._tools.get(parameters.name)
        if tool is None:
            names = ", ".join(self._tools)
            raise MCPError(types.INVALID_PARAMS, f"There is no tool `{parameters.name}`; there are: {names}.")
        call = Call(context, parameters, _agent(context, self._agent_of))
        return await _until_gone(context, _answer_call(tool, parameters.arguments or {}, call))

    async def list_resources(
        self, context: _Context, parameters: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[resource.definition() for resource in self._resources.values()])

    async def list_resource_templates(
        self, context: _Context, parameters: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[])

    async def read_resource(
        self, context: _Context, parameters: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        resource = self._resources.get(parameters.uri)
        if resource is None:
            message = f"There is no resource `{parameters.uri}`; there are: {', '.join(self._resources)}."
            raise MCPError(types.INVALID_PARAMS, message, {"uri": parameters.uri})
        try:
            return await resource.contents()
        except WindowsAiError as error:
            raise MCPError(error.json_rpc_code, error.message_and_hint, {"code": error.code}) from error

    async def list_prompts(
        self, context: _Context, parameters: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=[])

    async def get_prompt(self, context: _Context, parameters: types.GetPromptRequestParams) -> types.GetPromptResult:
        raise MCPError(types.INVALID_PARAMS, f"There is no prompt `{parameters.name}`; this server has none.")

    async def complete(self, context: _Context, parameters: types.CompleteRequestParams) -> types.CompleteResult:
        return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))

    async def set_log_level(self, context: _Context, parameters: types.SetLevelRequestParams) -> types.EmptyResult:
        return types.EmptyResult()


async def _answer_call(tool: Tool, given: Mapping[str, Any], call: Call) -> ProtocolResult:
    try:
        arguments = tool.arguments.model_validate(given)
    except ValidationError as error:
        return _failed(f"The arguments do not fit: {describe_validation(error)}.")
    try:
        return tool.protocol_result(await tool.run(arguments, call))
    except WindowsAiError as error:
        return _failed(error.message_and_hint)
    except MCPError:
        raise
    except Exception as error:
        log.exception("the tool %s failed", tool.name)
        return _failed(f"The tool failed with {type(error).__name__}; the host's log has the details.")


def _failed(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message)], is_error=True)


def _agent(context: _Context, agent_of: Callable[[HTTPConnection], str]) -> str:
    """Who asks: Codex's thread, under the name that its requests to the model have, else what the HTTP request says."""
    thread = (context.meta or {}).get("threadId")
    if isinstance(thread, str) and thread:
        return f"session-id:{thread}"
    request = _http_request(context)
    return agent_of(request) if request is not None else "mcp"


def _http_request(context: _Context) -> HTTPConnection[Any] | None:
    return cast("HTTPConnection[Any] | None", context.request)


async def _until_gone(context: _Context, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of `work`, which is cancelled when the client leaves: nobody could be given its answer any more."""
    request = _http_request(context)
    gone = cast("asyncio.Event | None", request.scope.get(_GONE)) if request is not None else None
    if gone is None:
        return await work
    task = asyncio.ensure_future(work)
    departure = asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait({task, departure}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise MCPError(types.INTERNAL_ERROR, "The client left before the answer.")
        return task.result()
    finally:
        departure.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _DepartureWatch:
    """Notes in a request's scope when its client has gone away, as the server tells whoever reads from it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        gone = asyncio.Event()
        scope[_GONE] = gone

        async def watch() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            return message

        await self._app(scope, watch, send)
