"""Windows' own language model (Phi Silica, and what follows it) behind the interface of every provider.

API: Microsoft.Windows.AI.Text of the Windows App SDK 2.x. One request runs at a time, since the model has one
device; the others wait here, first come, first served. What the model is called Windows does not say.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.errors import EngineBusyError, EngineClosedError, NotAvailableError, PromptTooLongError
from codex_windows_ai.hardware.hresult import describe, meaning_of, not_available
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.windows_ai.apartment import Apartment, follow
from codex_windows_ai.windows_ai.gates import NOT_READY, READY, Gate, language_model_gates
from codex_windows_ai.windows_ai.language_model_answer import LanguageModelAnswer, TextOperation
from codex_windows_ai.windows_ai.language_model_request import Prompt, compose, estimate_usage, utf16_length

if TYPE_CHECKING:
    from winrt.microsoft.windows.ai.text import LanguageModel, LanguageModelContext, LanguageModelOptions

__all__ = ["LanguageModelProvider", "unavailable"]

T = TypeVar("T")

_QUEUE_LIMIT = 8
_SECONDS_A_REQUEST = 10.0  # a guess, for whoever is told to come back; Windows says nothing about its speed
_FETCHING = "fetching Windows' own language model"


class LanguageModelProvider:
    """The model, ready to answer.

    Opening it takes seconds the first time after Windows starts. `fetch` lets Windows download the
    model where it is not there yet; `progress` is told how far that is, in thousandths. `token` is
    the limited-access token, if the user has one.

    Raises NotAvailableError: it cannot be had; the message names every gate that is closed.
    """

    def __init__(self, *, token: str | None = None, fetch: bool = False, progress: Progress | None = None) -> None:
        gates = language_model_gates(token)
        if not gates:
            raise NotAvailableError("Windows' own language model needs Windows.")
        self._answers: dict[LanguageModelAnswer, None] = {}  # those that wait and the one that runs, in order
        self._slot = asyncio.Semaphore(1)
        self._model: LanguageModel | None = None
        self._apartment = Apartment("language-model")
        try:
            self._model = self._apartment.run(_open(gates, fetch=fetch, progress=progress))
        except BaseException:
            self._apartment.close()
            raise

    @property
    def source(self) -> AnswerSource:
        """Who answers. Windows does not say on which device its model runs."""
        return AnswerSource(
            provider="language-model",
            device="chosen by Windows",
            execution_provider="Windows AI",
            model="windows-language-model",
            transport="in-process",
        )

    def stream(self, request: GenerationRequest) -> Generation:
        """Begins to answer.

        Raises UnsupportedRequestError, PromptTooLongError, InvalidRequestError before any work; EngineBusyError
        when too many wait. The stream raises ContentFilteredError where Windows' filter steps in.
        """
        prompt = compose(request)
        if prompt.json_schema is not None:
            self._check_length(prompt.text)
            return self._answer(prompt, request, lambda model: _structured(model, prompt))
        context = self._ask(lambda model: model.create_context(prompt.system))
        self._check_length(prompt.text, context)
        return self._answer(
            prompt, request, lambda model: model.generate_response_async(context, prompt.text, _options(prompt))
        )

    def count_tokens(self, request: GenerationRequest) -> int:
        """About how many tokens a prompt has. Raises UnsupportedRequestError, InvalidRequestError."""
        return estimate_usage(compose(request), "").input_tokens

    def summarise(self, text: str) -> Generation:
        """Shortens a text with Windows' own summariser.

        Raises PromptTooLongError, EngineBusyError as `stream` does.
        """
        from winrt.microsoft.windows.ai.text import TextSummarizer

        summarizer = self._ask(TextSummarizer)
        too_long, fits = self._ask(lambda _: summarizer.is_prompt_larger_than_context(text))
        if too_long:
            raise _too_long(utf16_length(text), fits)
        return self._answer(_plain(text), GenerationRequest(), lambda _: summarizer.summarize_async(text))

    def rewrite(self, text: str) -> Generation:
        """Says the same in clearer words with Windows' own rewriter.

        Raises PromptTooLongError, EngineBusyError as `stream` does.
        """
        from winrt.microsoft.windows.ai.text import TextRewriter

        rewriter = self._ask(TextRewriter)
        self._check_length(text)
        return self._answer(_plain(text), GenerationRequest(), lambda _: rewriter.rewrite_async(text))

    def close(self) -> None:
        """Lets go of the model; what still runs ends with EngineClosedError."""
        model, self._model = self._model, None
        if model is not None:
            self._apartment.close()
            with contextlib.suppress(OSError):  # the service behind it may be gone already
                model.close()

    def _check_length(self, text: str, context: LanguageModelContext | None = None) -> None:
        def usable(model: LanguageModel) -> int:
            if context is None:
                return model.get_usable_prompt_length(text)
            return model.get_usable_prompt_length(context, text)

        length, fits = utf16_length(text), self._ask(usable)
        if fits < length:
            raise _too_long(length, fits)

    def _ask(self, question: Callable[[LanguageModel], T]) -> T:
        try:
            return question(self._opened())
        except (OSError, AttributeError) as error:
            raise not_available("Windows' own language model does not answer", error) from error

    def _opened(self) -> LanguageModel:
        if self._model is None:
            raise EngineClosedError("Windows' own language model was closed.")
        return self._model

    def _answer(
        self, prompt: Prompt, request: GenerationRequest, begin: Callable[[LanguageModel], TextOperation]
    ) -> Generation:
        waiting = len(self._answers)
        if waiting >= _QUEUE_LIMIT:
            raise EngineBusyError(
                f"Windows' own language model has {waiting} requests already, the one it answers among them; the limit "
                f"is {_QUEUE_LIMIT}.",
                retry_after=waiting * _SECONDS_A_REQUEST,
            )
        model, answer = self._opened(), LanguageModelAnswer(prompt, request)
        self._answers[answer] = None
        task = self._apartment.start(answer.run(self._slot, lambda: begin(model)))
        task.add_done_callback(lambda _: self._answers.pop(answer))
        return Generation(
            answer.stream,
            cancel=lambda: self._apartment.call_soon(answer.cancel),
            queue_position=lambda: list(self._answers).index(answer) if answer in self._answers else 0,
        )


def unavailable(gates: list[Gate], error: OSError | AttributeError | None = None) -> NotAvailableError:
    """Why the model cannot be had: what Windows said, and every gate that is closed; the hint opens the first."""
    closed = [gate for gate in gates if gate.state == "closed"]
    reasons = [f"{gate.id}: {gate.found}" for gate in closed]
    if error and not any(describe(error) in reason for reason in reasons):
        reasons.insert(0, describe(error))
    fixes = [gate.fix for gate in closed if gate.fix]
    return NotAvailableError(
        f"Windows' own language model is not available: {'; '.join(reasons) or 'Windows does not say why'}.",
        hint=fixes[0] if fixes else None,
    )


async def _open(gates: list[Gate], *, fetch: bool, progress: Progress | None) -> LanguageModel:
    from winrt.microsoft.windows.ai.text import LanguageModel

    try:
        state = LanguageModel.get_ready_state()
        if state == NOT_READY and fetch:
            await _fetch(progress)
        elif state != READY:
            raise unavailable(gates)
        # Tried whatever the other gates say: newer builds of Windows ask for less than is documented.
        return await LanguageModel.create_async()
    except (OSError, AttributeError) as error:
        raise unavailable(gates, error) from error


async def _fetch(progress: Progress | None) -> None:
    from winrt.microsoft.windows.ai import AIFeatureReadyResultState
    from winrt.microsoft.windows.ai.text import LanguageModel

    operation = LanguageModel.ensure_ready_async()
    if progress is not None:
        report = progress
        follow(operation, lambda share: report(_FETCHING, round(share * 1000), 1000))
    result = await operation
    if result.status != AIFeatureReadyResultState.SUCCESS:
        code = int(result.extended_error) or int(result.error)
        said = f" Windows says: {result.error_display_text}" if result.error_display_text else ""
        raise NotAvailableError(
            f"Windows could not fetch its language model: {describe(code)}.{said}",
            hint=meaning_of(code).fix or "Open Settings > Windows Update, let it finish, then try again.",
        )


def _options(prompt: Prompt) -> LanguageModelOptions:
    from winrt.microsoft.windows.ai.text import LanguageModelOptions

    options = LanguageModelOptions()
    options.temperature = prompt.temperature
    options.top_p = prompt.top_p
    if prompt.top_k is not None:
        options.top_k = prompt.top_k
    return options


def _structured(model: LanguageModel, prompt: Prompt) -> Any:
    return model.generate_structured_json_response_async(prompt.text, prompt.json_schema or "", _options(prompt))


def _plain(text: str) -> Prompt:
    return Prompt(text=text, system="", json_schema=None, temperature=0.0, top_p=1.0, top_k=None)


def _too_long(length: int, fits: int) -> PromptTooLongError:
    return PromptTooLongError(
        f"The prompt has {length} characters, but only {fits} fit Windows' own language model.",
        hint=f"It is {length - fits} too long. Shorten it, or let the engine answer: set `provider` to `engine`.",
    )
