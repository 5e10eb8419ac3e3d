"""The real Codex as an agent that works on one task: `codex app-server`, driven through OpenAI's Python SDK.

Each turn has a Codex process of its own. Its threads are files below `$CODEX_HOME/sessions`, so a thread can be gone on
with by its id whatever has ended meanwhile: the turn's process, this host, the machine.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from codex_windows_ai.codex.launch import codex_environment, find_codex
from codex_windows_ai.codex.profile import PROFILE
from codex_windows_ai.codex.session import windows_ai_overrides
from codex_windows_ai.errors import CodexError, NotAvailableError
from codex_windows_ai.settings import Settings

if TYPE_CHECKING:
    from openai_codex.client import CodexClient
    from openai_codex.models import JsonObject, Notification

SandboxMode = Literal["read-only", "workspace-write", "danger-full-access"]
ApprovalPolicy = Literal["untrusted", "on-request", "never"]
Approve = Callable[[str, dict[str, Any]], Awaitable[bool]]
"""Asks somebody whether Codex may do what it wants to: the kind of request, and what Codex says of it."""

_INTERRUPT_SECONDS = 2.0
_endings: set[asyncio.Task[None]] = set()
"""Processes that are being ended; the event loop itself keeps no hold of a task."""


@dataclass(frozen=True, slots=True)
class AgentTask:
    """What Codex shall do. With a `thread_id` it goes on where that thread ended, with that thread's settings."""

    prompt: str
    thread_id: str | None = None
    cwd: str | None = None
    model: str | None = None
    sandbox: SandboxMode | None = None
    approval_policy: ApprovalPolicy = "never"
    base_instructions: str | None = None
    developer_instructions: str | None = None
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    use_windows_ai: bool = False


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """Codex's last message of the turn, and the thread to go on with."""

    thread_id: str
    text: str


def is_available() -> bool:
    """Whether the SDK, an optional part of this package, is installed."""
    return importlib.util.find_spec("openai_codex") is not None


async def run_agent(
    task: AgentTask, settings: Settings, *, report: Callable[[str], None], approve: Approve | None = None
) -> AgentAnswer:
    """Let Codex do a task; `report` is told, from another thread, what it is doing.

    Without `approve` whatever needs approval is declined. Cancelling interrupts Codex's turn and ends its process.

    Raises NotAvailableError: the SDK is not installed. CodexNotFoundError: there is no Codex. CodexError: it failed.
    """
    if not is_available():
        raise NotAvailableError(
            "Codex cannot be driven: OpenAI's Python SDK for it is not installed.",
            hint="Install it with `pip install 'codex-windows-ai[codex]'`.",
        )
    # A turn blocks its thread for as long as it runs. In the common pool, a few turns would keep the host from
    # answering the very requests that they wait for.
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="codex-agent")
    try:
        loop = asyncio.get_running_loop()
        local = task.use_windows_ai
        if task.thread_id is not None:
            reader = _Turn(task, (), loop, report, approve)
            local = await reader.finish(loop.run_in_executor(pool, reader.provider)) == PROFILE
        overrides = await windows_ai_overrides(settings) if local else []
        turn = _Turn(task, overrides, loop, report, approve)
        return await turn.finish(loop.run_in_executor(pool, turn.run))
    finally:
        pool.shutdown(wait=False)  # a wait would hold up the event loop


class _Turn:
    """One Codex process. Its blocking half (`run`, `provider`) has a thread of its own; `finish` waits for that."""

    def __init__(
        self,
        task: AgentTask,
        overrides: Sequence[str],
        loop: asyncio.AbstractEventLoop,
        report: Callable[[str], None],
        approve: Approve | None,
    ) -> None:
        from openai_codex import CodexConfig
        from openai_codex.client import CodexClient

        self._task = task
        self._loop = loop
        self._report = report
        self._approve = approve
        self._running: tuple[str, str] | None = None
        configuration = CodexConfig(
            codex_bin=str(find_codex()),
            config_overrides=tuple(overrides),
            cwd=task.cwd,
            env=codex_environment(),
            client_name="codex-windows-ai",
            client_title="Codex Windows AI",
        )
        self._client: CodexClient = CodexClient(configuration, self._decide)

    async def finish(self, work: asyncio.Future[Any]) -> Any:
        """What `work` returns; ends the process in every case. Raises CodexError: Codex failed."""
        from openai_codex import CodexError as SdkError

        try:
            return await asyncio.shield(work)
        except (SdkError, RuntimeError, OSError, ValueError) as error:
            raise CodexError(
                f"Codex failed: {error}",
                hint="`codex exec` with the same prompt shows more; it must work there first.",
            ) from error
        finally:
            # It goes on to its end whatever happens here: a cancelled call is cancelled again at its next `await`.
            ending = asyncio.create_task(self._end_with(work))
            _endings.add(ending)
            ending.add_done_callback(_endings.discard)
            await asyncio.shield(ending)

    async def _end_with(self, work: asyncio.Future[Any]) -> None:
        await asyncio.to_thread(self._end)
        await asyncio.gather(work, return_exceptions=True)

    def provider(self) -> str:
        """Which model provider the thread of the task was started with."""
        self._open()
        return self._client.thread_read(self._task.thread_id or "").thread.model_provider

    def run(self) -> AgentAnswer:
        """The whole turn."""
        from openai_codex.generated.v2_all import TurnCompletedNotification, TurnStatus

        self._report("starting Codex")
        self._open()
        thread_id = self._open_thread()
        turn_id = self._client.turn_start(thread_id, self._task.prompt).turn.id
        self._client.register_turn_notifications(turn_id)
        self._running = (thread_id, turn_id)
        texts: list[str] = []
        while True:
            event = self._client.next_turn_notification(turn_id)
            self._follow(event, texts)
            if isinstance(event.payload, TurnCompletedNotification) and event.payload.turn.id == turn_id:
                self._running = None
                turn = event.payload.turn
                if turn.status != TurnStatus.completed:
                    raise RuntimeError(turn.error.message if turn.error else f"the turn was {turn.status.value}")
                return AgentAnswer(thread_id, texts[-1] if texts else "")

    def _open(self) -> None:
        self._client.start()
        self._client.initialize()

    def _open_thread(self) -> str:
        task = self._task
        if task.thread_id is not None:
            return self._client.thread_resume(task.thread_id, {"excludeTurns": True}).thread.id
        given: JsonObject = {
            "approvalPolicy": task.approval_policy,
            "cwd": task.cwd,
            "model": task.model,
            "sandbox": task.sandbox,
            "baseInstructions": task.base_instructions,
            "developerInstructions": task.developer_instructions,
            "config": task.config or None,
        }
        started = self._client.thread_start({name: value for name, value in given.items() if value is not None})
        return started.thread.id

    def _follow(self, event: Notification, texts: list[str]) -> None:
        """Keeps the agent's messages and reports what it does."""
        from openai_codex.generated.v2_all import (
            AgentMessageThreadItem,
            ErrorNotification,
            ItemCompletedNotification,
            ItemStartedNotification,
        )

        match event.payload:
            case ItemStartedNotification(item=item):
                self._report(_describe(item.root))
            case ItemCompletedNotification(item=item) if isinstance(item.root, AgentMessageThreadItem):
                texts.append(item.root.text)
            case ErrorNotification(error=error):
                self._report(error.message)
            case _:
                pass

    def _decide(self, method: str, given: JsonObject | None) -> JsonObject:
        """Answers Codex's requests; whatever is not an approval that somebody gave is declined."""
        approved = False
        if self._approve is not None and method.endswith("/requestApproval"):
            asked = asyncio.run_coroutine_threadsafe(_coroutine(self._approve(method, dict(given or {}))), self._loop)
            approved = asked.result()
        return {"decision": "accept" if approved else "decline"}

    def _end(self) -> None:
        """Ends the process; a turn that runs is interrupted first, so that its thread is whole on the disk."""
        import threading

        if (running := self._running) is not None:
            asking = threading.Thread(target=self._interrupt, args=running, daemon=True)
            asking.start()
            asking.join(_INTERRUPT_SECONDS)
        # The SDK (0.163) leaves two of its pipes to the garbage collector.
        process = self._client._proc  # pyright: ignore[reportPrivateUsage]
        self._client.close()
        for pipe in (process.stdout, process.stderr) if process else ():
            if pipe is not None:
                pipe.close()

    def _interrupt(self, thread_id: str, turn_id: str) -> None:
        import contextlib

        from openai_codex import CodexError as SdkError

        with contextlib.suppress(SdkError, OSError, ValueError):  # it has ended, or is ended next
            self._client.turn_interrupt(thread_id, turn_id)


async def _coroutine(awaitable: Awaitable[bool]) -> bool:
    return await awaitable


def _describe(item: object) -> str:
    """What Codex is doing, in a few words: the kind of its item, and the command or tool."""
    kind = str(getattr(item, "type", "working"))
    detail = getattr(item, "command", None) or getattr(item, "tool", None)
    return f"{kind}: {detail}" if isinstance(detail, str) else kind
