"""One app's action behind the interface of every provider: the prompt goes in as its text, its text comes out."""

from __future__ import annotations

import asyncio
import time

from codex_windows_ai.engine.generation import Generation, Stream
from codex_windows_ai.errors import (
    ActionFailedError,
    DeadlineExceededError,
    EngineError,
    NotAvailableError,
    UnsupportedRequestError,
    WindowsAiError,
)
from codex_windows_ai.protocol.answer import Delta, FinishReason, Timings, Usage
from codex_windows_ai.protocol.request import GenerationRequest, SamplingParameters
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.windows_ai.apartment import Apartment
from codex_windows_ai.windows_ai.app_actions import AppActions
from codex_windows_ai.windows_ai.language_model_request import compose, estimate_tokens, estimate_usage

__all__ = ["ActionProvider"]


class ActionProvider:
    """Answers with the action `id` of an installed app.

    Raises NotAvailableError: there is no such action on this machine, or it takes more than a text.
    """

    def __init__(self, id: str) -> None:
        self._actions = AppActions()
        found = {action.id: action for action in self._actions.list()}
        if id not in found:
            known = ", ".join(sorted(found)) or "none"
            raise NotAvailableError(f"no app offers an action {id!r} here; registered are: {known}")
        self._action = found[id]
        if not self._action.takes_one_text:
            raise NotAvailableError(f"the action {id!r} takes more than one text")
        self._apartment = Apartment("action")

    @property
    def source(self) -> AnswerSource:
        """Who answers; on which device, the app alone knows."""
        return AnswerSource(
            provider=f"action:{self._action.id}",
            device="chosen by the app",
            execution_provider="App Action",
            model=self._action.app or "unknown",
            transport="in-process",
        )

    def stream(self, request: GenerationRequest) -> Generation:
        """Begins to answer.

        Raises UnsupportedRequestError: an action takes a text and nothing else. The stream raises ActionFailedError.
        """
        if request.sampling != SamplingParameters() or request.max_output_tokens is not None or request.stop:
            raise UnsupportedRequestError("An app's action has no sampling parameters, token limits or stop strings.")
        if request.grammar is not None:
            raise UnsupportedRequestError("An app's action has no grammars.")
        prompt = compose(request)
        text = "\n\n".join(part for part in (prompt.system, prompt.text) if part)
        answer = _ActionAnswer(text, request.deadline)
        task = self._apartment.start(answer.run(self._actions, self._action.id))

        def cancel() -> None:
            task.cancel()

        return Generation(answer.stream, cancel=cancel, queue_position=lambda: 0)

    def count_tokens(self, request: GenerationRequest) -> int:
        """About how many tokens a prompt has. Raises UnsupportedRequestError, InvalidRequestError."""
        return estimate_usage(compose(request), "").input_tokens

    def close(self) -> None:
        """Ends what still runs and lets go of the actions."""
        self._apartment.close()
        self._actions.close()


class _ActionAnswer:
    """The stream of one invocation."""

    def __init__(self, prompt: str, deadline: float | None) -> None:
        self.stream = Stream()
        self._prompt = prompt
        self._deadline = deadline
        self._shown = ""
        self._begun = time.perf_counter()
        self._first: float | None = None
        self._rewritten = False

    async def run(self, actions: AppActions, action: str) -> None:
        """Sees the invocation through; never raises."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline):
                result = await actions.invoke(
                    action, self._prompt, on_text=lambda text, _: loop.call_soon_threadsafe(self._show, text)
                )
            self._show(result.text)
            if self._rewritten:
                raise ActionFailedError(
                    f"The action {action!r} rewrote what it had said already, which a stream cannot take back.",
                    hint="Invoke it as a whole: the tool invoke_action, or WindowsAiRuntime.invoke_action.",
                )
            self._end("stop")
        except asyncio.CancelledError:
            self._end("cancelled")
        except TimeoutError:
            self._fail(DeadlineExceededError(f"The answer was not complete after {self._deadline:g} s."))
        except WindowsAiError as error:
            self._fail(error)
        except Exception as error:  # a fault of ours must not leave the reader waiting for ever
            self._fail(EngineError(f"The action could not be used: {error!r}"))

    def _show(self, text: str) -> None:
        if self.stream.ended:
            return
        if not text.startswith(self._shown):
            self._rewritten = True
            return
        self._rewritten = False
        if piece := text[len(self._shown) :]:
            self._first = self._first or time.perf_counter()
            self._shown = text
            self.stream.put(Delta(text=piece))

    def _end(self, reason: FinishReason) -> None:
        now = time.perf_counter()
        first = self._first or now
        usage = Usage(estimate_tokens(self._prompt), 0, estimate_tokens(self._shown), estimated=True)
        timings = Timings(
            queue=0.0,
            prefill=(first - self._begun) * 1000,
            decode=(now - first) * 1000,
            total=(now - self._begun) * 1000,
        )
        if not self.stream.ended:
            self.stream.put(Delta(finish_reason=reason, usage=usage, timings=timings))

    def _fail(self, error: WindowsAiError) -> None:
        if not self.stream.ended:
            self.stream.put(error)
