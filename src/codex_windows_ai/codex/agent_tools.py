"""The MCP tools `codex` and `codex-reply`, which Codex's own MCP server had until 0.154.

Their names, arguments and results are those of Codex 0.153, so that clients written for it go on working;
`use-windows-ai` is ours.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from codex_windows_ai.codex import agent
from codex_windows_ai.codex.agent import AgentTask, ApprovalPolicy, SandboxMode
from codex_windows_ai.mcp.tool import Arguments, Call, Tool, tool_annotations
from codex_windows_ai.settings import Settings


class CodexArguments(Arguments):
    """What `codex` takes."""

    prompt: str = Field(min_length=1)
    cwd: str | None = Field(default=None, description="folder to work in")
    model: str | None = None
    sandbox: SandboxMode | None = Field(default=None, description="default: as configured in Codex")
    approval_policy: ApprovalPolicy = Field(
        default="never", alias="approval-policy", description="what may leave the sandbox when you approve"
    )
    base_instructions: str | None = Field(default=None, alias="base-instructions")
    developer_instructions: str | None = Field(default=None, alias="developer-instructions")
    config: dict[str, Any] = Field(default_factory=dict[str, Any], description="settings over Codex's config.toml")
    use_windows_ai: bool | None = Field(
        default=None, alias="use-windows-ai", description="this PC's model answers, offline"
    )


class CodexReplyArguments(Arguments):
    """What `codex-reply` takes."""

    prompt: str = Field(min_length=1)
    thread_id: str = Field(alias="threadId", min_length=1)


class CodexResult(BaseModel):
    """Codex's last message, and the thread that `codex-reply` goes on with."""

    threadId: str
    content: str


def codex_tools(settings: Settings) -> tuple[Tool, ...]:
    """The tools; none where OpenAI's SDK, an optional part of this package, is not installed."""
    if not agent.is_available():
        return ()

    async def start(arguments: CodexArguments, call: Call) -> CodexResult:
        given = arguments.model_dump(exclude={"use_windows_ai"})
        local = settings.use_windows_ai if arguments.use_windows_ai is None else arguments.use_windows_ai
        return await _run(AgentTask(**given, use_windows_ai=local), settings, call)

    async def reply(arguments: CodexReplyArguments, call: Call) -> CodexResult:
        return await _run(AgentTask(arguments.prompt, arguments.thread_id), settings, call)

    may_do_anything = tool_annotations(read_only=False, destructive=True, idempotent=False, open_world=True)
    return (
        Tool(
            name="codex",
            title="Run Codex",
            description="Give a coding task to the Codex agent and wait for its result.",
            run=start,
            arguments=CodexArguments,
            result=CodexResult,
            annotations=may_do_anything,
        ),
        Tool(
            name="codex-reply",
            title="Go on with Codex",
            description="Say something more in a thread that `codex` started.",
            run=reply,
            arguments=CodexReplyArguments,
            result=CodexResult,
            annotations=may_do_anything,
        ),
    )


async def _run(task: AgentTask, settings: Settings, call: Call) -> CodexResult:
    doing = ["starting Codex"]

    def report(what: str) -> None:
        doing[0] = what

    async with call.progress(lambda: doing[0]):
        answer = await agent.run_agent(task, settings, report=report)
    return CodexResult(threadId=answer.thread_id, content=answer.text)
