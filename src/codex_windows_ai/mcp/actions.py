"""The tools `list_actions` and `invoke_action`: what this machine can do for a text."""

from __future__ import annotations

from pydantic import Field

from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.mcp.generate import answer
from codex_windows_ai.mcp.results import TRANSPORT, ActionCatalogue, ActionDescription, AnsweredBy, AnswerResult
from codex_windows_ai.mcp.runtime_access import RuntimeAccess
from codex_windows_ai.mcp.tool import Arguments, Call, Tool, tool_annotations
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.windows_ai.actions import BUILT_IN, Action, messages_for


class InvokeActionArguments(Arguments):
    """What `invoke_action` takes."""

    action: str = Field(description="an id from list_actions")
    text: str
    max_output_tokens: int | None = Field(default=None, ge=1)


async def read_catalogue(runtime: RuntimeAccess) -> ActionCatalogue:
    """Everything that can be asked for."""
    opened = await runtime.open()
    return ActionCatalogue(
        actions=[
            ActionDescription(
                id=action.id,
                name=action.name,
                description=action.description,
                kind=action.kind,
                app=action.app,
                available=action.available,
                takes_one_text=action.takes_one_text,
            )
            for action in await opened.list_actions()
        ]
    )


def list_actions_tool(runtime: RuntimeAccess) -> Tool:
    """The tool that names the actions."""

    async def run(arguments: Arguments, call: Call) -> ActionCatalogue:
        async with call.progress(runtime.describe_loading):
            return await read_catalogue(runtime)

    return Tool(
        name="list_actions",
        title="List text actions",
        description="List what invoke_action can do.",
        run=run,
        result=ActionCatalogue,
        annotations=tool_annotations(read_only=True),
    )


def invoke_action_tool(runtime: RuntimeAccess) -> Tool:
    """The tool that has an action done."""

    async def run(arguments: InvokeActionArguments, call: Call) -> AnswerResult:
        if arguments.action in {action.id for action in BUILT_IN}:
            request = GenerationRequest(
                messages=messages_for(arguments.action, arguments.text),
                max_output_tokens=arguments.max_output_tokens,
                agent=call.agent,
            )
            return await answer(runtime, request, call)
        async with call.progress(runtime.describe_loading):
            opened = await runtime.open()
            known = {action.id: action for action in await opened.list_actions()}
            if arguments.action not in known:
                raise InvalidRequestError(
                    f"There is no action {arguments.action!r} on this machine; there are: {', '.join(known)}."
                )
            text = await opened.invoke_action(
                arguments.text, action=arguments.action, max_output_tokens=arguments.max_output_tokens
            )
        return AnswerResult(text=text, windows_ai=_answered_by_app(known[arguments.action]))

    return Tool(
        name="invoke_action",
        title="Invoke a text action",
        description="Summarise or rewrite a text on this PC, or have a Windows app do something with it.",
        arguments=InvokeActionArguments,
        run=run,
        result=AnswerResult,
        # What a Windows app does with the text is not in our hands.
        annotations=tool_annotations(read_only=False, destructive=True, idempotent=False, open_world=True),
    )


def _answered_by_app(action: Action) -> AnsweredBy:
    """An app does its work where it likes, and does not tell."""
    return AnsweredBy(
        provider=f"action:{action.id}",
        device="chosen by the app",
        execution_provider="App Action",
        model=action.app or "unknown",
        transport=TRANSPORT,
        refused=[],
    )
