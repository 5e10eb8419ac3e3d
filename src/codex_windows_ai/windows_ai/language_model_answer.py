"""One answer of Windows' own language model: from its callbacks to the stream that a caller reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from codex_windows_ai.engine.generation import Stream
from codex_windows_ai.engine.sampling.stop_strings import StopStrings
from codex_windows_ai.errors import (
    ContentFilteredError,
    DeadlineExceededError,
    EngineClosedError,
    EngineError,
    PromptTooLongError,
    UnsupportedRequestError,
    WindowsAiError,
)
from codex_windows_ai.hardware.hresult import describe
from codex_windows_ai.protocol.answer import Delta, FinishReason, Timings
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.windows_ai.apartment import follow
from codex_windows_ai.windows_ai.language_model_request import Prompt, estimate_tokens, estimate_usage

__all__ = ["LanguageModelAnswer", "TextOperation", "response_error"]

_SECONDS_TO_STOP = 30.0
_COMPLETE = 0


TextOperation = Awaitable[Any]
"""An IAsyncOperationWithProgress whose progress is the next piece of text.

Its result is a LanguageModelResponseResult or a GenerateStructuredJsonResponseResult: two classes that have nothing
in common but `text`, `status` and `extended_error`.
"""


def response_error(status: int, extended_error: int, *, structured: bool) -> WindowsAiError | None:
    """The error of a response's status (LanguageModelResponseStatus, or its structured sister), if it is one."""
    reason = f": {describe(extended_error)}" if extended_error else ""
    shorten = "Shorten the prompt, or let the engine answer: set `provider` to `engine`."
    rephrase = "Say it in other words, or let the engine answer: set `provider` to `engine`."
    if structured and status == 7:
        return EngineError(f"The answer does not match the JSON schema{reason}.", hint="Simplify the schema.")
    errors: dict[int, WindowsAiError] = {
        2: ContentFilteredError(f"A policy of this PC or organisation blocks the language model{reason}."),
        3: PromptTooLongError(f"The prompt does not fit Windows' own language model{reason}.", hint=shorten),
        4: ContentFilteredError(f"Windows' content filter blocked the prompt{reason}.", hint=rephrase),
        5: ContentFilteredError(f"Windows' content filter blocked the answer{reason}.", hint=rephrase),
        7: UnsupportedRequestError(f"The adapter does not fit Windows' own language model{reason}."),
        8: UnsupportedRequestError(f"Windows' own language model does not know the prompt's language{reason}."),
        9: UnsupportedRequestError(f"The answer's language would differ from the prompt's{reason}."),
    }
    if status == _COMPLETE:
        return None
    return errors.get(status) or EngineError(f"Windows' own language model failed with status {status}{reason}.")


class LanguageModelAnswer:
    """Takes what one operation says, in the apartment's thread, and ends the stream exactly once.

    Windows has neither a limit of tokens nor stop strings: both are kept here, the first by an
    estimate, and the operation is cancelled where one is reached.
    """

    def __init__(self, prompt: Prompt, request: GenerationRequest) -> None:
        self.stream = Stream()
        self._prompt = prompt
        self._request = request
        self._stop = StopStrings(request.stop)
        self._heard: list[str] = []
        self._shown: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._submitted = time.perf_counter()
        self._begun: float | None = None
        self._first: float | None = None

    async def run(self, slot: asyncio.Semaphore, begin: Callable[[], TextOperation]) -> None:
        """Waits for `slot`, begins the operation and sees it through; never raises."""
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        deadline = self._request.deadline
        timer = None if deadline is None else loop.call_later(deadline, self._expire, deadline)
        try:
            async with slot:
                self._begun = time.perf_counter()
                operation = begin()
                follow(operation, lambda text: loop.call_soon_threadsafe(self._take, text))
                result = await operation
            self._complete(result)
        except asyncio.CancelledError:  # by `_end`, which has said why, or because the provider is closed
            self._end(EngineClosedError("Windows' own language model was closed while it answered."))
        except OSError as error:
            self._end(EngineError(f"Windows' own language model failed: {describe(error)}."))
        except Exception as error:  # a fault of ours must not leave the reader waiting for ever
            self._end(EngineError(f"Windows' own language model could not be used: {error!r}"))
        finally:
            if timer:
                timer.cancel()

    def cancel(self) -> None:
        """Ends the answer where it is; in the apartment's thread."""
        self._finish("cancelled")

    def _expire(self, deadline: float) -> None:
        self._end(DeadlineExceededError(f"The answer was not complete after {deadline:g} s."))

    def _take(self, text: str) -> None:
        if self.stream.ended:
            return
        self._heard.append(text)
        self._first = self._first or time.perf_counter()
        self._show(self._stop.push(text))
        limit = self._request.max_output_tokens
        if self._stop.found:
            self._finish("stop")
        elif limit is not None and estimate_tokens("".join(self._heard)) >= limit:
            self._finish("length")

    def _show(self, text: str) -> None:
        if text:
            self._shown.append(text)
            self.stream.put(Delta(text=text))

    def _complete(self, result: Any) -> None:
        structured = self._prompt.json_schema is not None
        if error := response_error(int(result.status), int(result.extended_error), structured=structured):
            self._end(error)
            return
        # Windows promises no progress at all; what it did not say before is in the result.
        heard = "".join(self._heard)
        text: str = result.text
        if text.startswith(heard) and len(text) > len(heard):
            self._take(text[len(heard) :])
        if not self.stream.ended:
            self._show(self._stop.finish())
            self._finish("stop")

    def _finish(self, reason: FinishReason) -> None:
        if self.stream.ended:
            return
        now = time.perf_counter()
        begun, first = self._begun or now, self._first or now
        timings = Timings(
            queue=(begun - self._submitted) * 1000,
            prefill=(first - begun) * 1000,
            decode=(now - first) * 1000,
            total=(now - self._submitted) * 1000,
        )
        usage = estimate_usage(self._prompt, "".join(self._shown))
        stop = self._stop.found if reason == "stop" else None
        self._end(Delta(finish_reason=reason, usage=usage, timings=timings, stop_sequence=stop))

    def _end(self, item: Delta | WindowsAiError) -> None:
        """Puts the last piece, if none was yet, and stops the operation if it still runs."""
        if self.stream.ended:
            return
        self.stream.put(item)
        task = self._task
        if task is not None and not task.done() and asyncio.current_task() is not task:
            # The first cancellation asks Windows to stop and waits until it has; the second gives up waiting.
            task.cancel()
            task.get_loop().call_later(_SECONDS_TO_STOP, task.cancel)
