"""Who answers on this machine, and why not somebody better."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from codex_windows_ai.devices.gpu_path import GpuPath
from codex_windows_ai.errors import (
    EngineBusyError,
    EngineError,
    ModelError,
    NotAvailableError,
    ProviderNotAvailableError,
    StorageError,
    UnsupportedRequestError,
    WindowsAiError,
)
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.protocol.large_requests import beside
from codex_windows_ai.protocol.request import GenerationRequest, SamplingParameters
from codex_windows_ai.protocol.source import AnswerSource, Refusal
from codex_windows_ai.settings import Settings, load_settings
from codex_windows_ai.windows_ai.actions import BUILT_IN, GENERATE, REWRITE, SUMMARISE, Action, messages_for
from codex_windows_ai.windows_ai.answer import Answer, AnswerObserver

if TYPE_CHECKING:
    from codex_windows_ai.engine.engine import Engine
    from codex_windows_ai.engine.generation import Generation
    from codex_windows_ai.models.folder import ModelFolder
    from codex_windows_ai.protocol.statistics import EngineStatistics
    from codex_windows_ai.windows_ai.action_entities import Entity
    from codex_windows_ai.windows_ai.app_actions import ActionResult, AppActions
    from codex_windows_ai.windows_ai.engine_provider import EngineProvider
    from codex_windows_ai.windows_ai.language_model import LanguageModelProvider
    from codex_windows_ai.windows_ai.provider import Provider

__all__ = ["WindowsAiRuntime"]

_ENGINES = ("engine:gpu", "engine:npu", "engine:cpu")
_PREFERENCES = {"auto": ("language-model", *_ENGINES), "engine": _ENGINES}


class WindowsAiRuntime:
    """The AI of this machine.

    Use it as an asynchronous context manager, or call `open` and `close`. `progress` is called
    while a model is fetched, converted and loaded. `observe` is called with every request that was
    accepted, and what it returns hears what becomes of the answer.

    With the setting `provider` at `auto`, Windows' own language model answers where it is ready,
    and the engine what that model cannot do. Every answer's `source` says who gave it and why
    nobody better did.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        progress: Progress | None = None,
        observe: Callable[[GenerationRequest, Generation], AnswerObserver] | None = None,
    ) -> None:
        self._settings = settings or load_settings()
        self._progress = progress
        self._observe = observe
        self._language_model: LanguageModelProvider | None = None
        self._engine: EngineProvider | None = None
        self._app_actions: AppActions | None = None
        self._providers: list[tuple[Provider, tuple[Refusal, ...]]] = []
        """Those that can answer, best first, each with what was refused before it."""

    async def open(self) -> AnswerSource:
        """Makes the model ready, fetching it first where it is not here yet.

        Raises ModelError, StorageError: it cannot be had. NotAvailableError: the provider or device
        asked for is not on this machine.
        """
        if not self._providers:
            await asyncio.to_thread(self._load)
        return self.source

    def _load(self) -> None:
        refused: list[Refusal] = []
        failure: WindowsAiError | None = None
        for name in _PREFERENCES.get(self._settings.provider, (self._settings.provider,)):
            if name.startswith("engine") and self._engine is not None:
                break  # it runs on the best device already
            try:
                provider = self._open_provider(name)
            except (NotAvailableError, ModelError, StorageError) as error:
                refused.append((name, error.message))
                failure = error
            else:
                self._providers.append((provider, tuple(refused)))
        if self._providers:
            return
        if failure is None or len(refused) == 1 or isinstance(failure, ModelError | StorageError):
            raise failure or EngineError("No provider was tried.")
        reasons = "; ".join(f"{name} ({reason})" for name, reason in refused)
        raise NotAvailableError(f"Nothing on this machine can answer: {reasons}", hint=failure.hint)

    def _open_provider(self, name: str) -> Provider:
        kind, _, detail = name.partition(":")
        required = self._settings.require_device
        if required is not None and (kind != "engine" or detail != required):
            says = f"it runs on the {detail.upper()}" if kind == "engine" else "it does not say on which device it runs"
            raise NotAvailableError(
                f"{says}, and the device `{required}` is required",
                hint="Leave out --require-device (or the setting `require_device`), or set `provider` to `engine`.",
            )
        if kind == "language-model":
            from codex_windows_ai.windows_ai.language_model import LanguageModelProvider

            token = self._settings.limited_access_token
            self._language_model = LanguageModelProvider(
                token=token.get_secret_value() if token else None,
                # Hundreds of megabytes are fetched for whoever asks for this model, not for whoever takes any.
                fetch=self._settings.provider == "language-model",
                progress=self._progress,
            )
            return self._language_model
        if kind == "action":
            from codex_windows_ai.windows_ai.action_provider import ActionProvider

            return ActionProvider(detail)
        from codex_windows_ai.windows_ai.engine_provider import EngineProvider

        device = None
        if detail == "gpu" or detail == "npu":
            from codex_windows_ai.devices.devices import find_device

            device = find_device(detail, self._settings.execution_provider_library)
        self._engine = EngineProvider(self._settings, device=device, progress=self._progress)
        return self._engine

    @property
    def source(self) -> AnswerSource:
        """Who answers, where the request asks for nothing special.

        Raises EngineError: the runtime is not open.
        """
        provider, refused = self._opened()[0]
        return provider.source.after(refused if self._settings.provider in _PREFERENCES else ())

    @property
    def engine(self) -> Engine:
        """The engine itself.

        Raises EngineError: the runtime is not open, or has no engine.
        """
        return self.engine_provider.engine

    @property
    def model_folder(self) -> ModelFolder:
        """The folder of the engine's model, with its true window.

        Raises EngineError: the runtime is not open, or has no engine.
        """
        return self.engine_provider.folder

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever looks after this machine should know of how the engine's model runs."""
        return self._engine.remarks if self._engine is not None else ()

    @property
    def engine_provider(self) -> EngineProvider:
        """The engine with its model, and how that is spoken to.

        Raises EngineError: the runtime is not open, or has no engine.
        """
        self._opened()
        if self._engine is None:
            raise EngineError(
                "The engine is not loaded: another provider answers alone.", hint="Set `provider` to `auto`."
            )
        return self._engine

    def stream(self, request: GenerationRequest) -> Answer:
        """Submits a request; iterate what comes back for its deltas.

        Raises InvalidRequestError, ContextLengthExceededError, EngineBusyError at once; EngineError: not open;
        ProviderNotAvailableError: the provider that the request names is not open here.
        """
        providers, refused = self._asked_for(request.provider), list[Refusal]()
        for provider, before in providers:
            try:
                generation = provider.stream(request)
            except (UnsupportedRequestError, EngineBusyError, NotAvailableError) as error:
                if provider is providers[-1][0]:
                    raise
                refused.append((provider.source.provider, error.message))
            else:
                observe = self._observe(request, generation) if self._observe else None
                source = provider.source.after((*refused, *before))
                return Answer(generation, replace(source, left_out=generation.left_out), observe)
        raise EngineError("The runtime has nobody to ask.")

    async def count_tokens(self, request: GenerationRequest) -> int:
        """How many tokens the prompt of a request has, by who would answer it. Raises as `stream`, without a queue."""
        providers = [provider for provider, _ in self._asked_for(request.provider)]
        for provider in providers[:-1]:
            with contextlib.suppress(UnsupportedRequestError, NotAvailableError):
                return await beside(request.size, provider.count_tokens, request)
        return await beside(request.size, providers[-1].count_tokens, request)

    async def submit(self, request: GenerationRequest) -> Answer:
        """As `stream`, beside the event loop: encoding a long prompt takes a while, in which others want to be served.

        Raises as `stream`.
        """
        return await beside(request.size, self.stream, request)

    async def invoke_action(
        self,
        prompt: str,
        *,
        action: str | None = None,
        system: str | None = None,
        sampling: SamplingParameters | None = None,
        max_output_tokens: int | None = None,
    ) -> str:
        """The whole answer to a prompt, or what an action makes of it: a built-in one, or an app's by its id.

        Summarising and rewriting are done by Windows' own skills where its language model answers.

        Raises InvalidRequestError: an unknown action, an empty prompt. ActionFailedError: an app's action did not
        succeed. ModelError, EngineError: see `open`.
        """
        if action is not None and action not in {built_in.id for built_in in BUILT_IN}:
            if system is not None or sampling is not None or max_output_tokens is not None:
                raise UnsupportedRequestError(
                    "An app's action has no system prompt, sampling parameters or token limit.",
                    hint="Leave them out, or use a built-in action.",
                )
            return (await self.invoke_app_action(action, prompt)).text
        messages = messages_for(action, prompt, system)
        await self.open()
        if system is None and sampling is None and max_output_tokens is None:
            with contextlib.suppress(UnsupportedRequestError, EngineBusyError, NotAvailableError):
                if skill := self._skill(action):
                    return "".join([delta.text async for delta in skill(prompt)])
        request = GenerationRequest(
            messages=messages, sampling=sampling or SamplingParameters(), max_output_tokens=max_output_tokens
        )
        return "".join([delta.text async for delta in await self.submit(request)])

    async def invoke_app_action(
        self, action: str, inputs: Mapping[str, Entity] | str, *, overload: int | None = None
    ) -> ActionResult:
        """Invokes an installed app's action with any entities; see `AppActions.invoke`.

        Raises InvalidRequestError, ActionFailedError, NotAvailableError.
        """
        return await (await self._open_app_actions()).invoke(action, inputs, overload=overload)

    async def list_actions(self) -> list[Action]:
        """Everything that can be asked for: what is built in, and what installed apps offer.

        Where Windows has no App Actions, or does not answer, only the first is listed; `cwai doctor` says why.
        """
        try:
            registered = await asyncio.to_thread((await self._open_app_actions()).list)
        except NotAvailableError:
            registered = []
        return [*BUILT_IN, *registered]

    async def _open_app_actions(self) -> AppActions:
        from codex_windows_ai.windows_ai.app_actions import AppActions

        if self._app_actions is None:
            self._app_actions = await asyncio.to_thread(AppActions)
        return self._app_actions

    def _skill(self, action: str | None) -> Callable[[str], Generation] | None:
        """What Windows' own language model has for a built-in action."""
        model = self._language_model
        if model is None:
            return None
        return {SUMMARISE.id: model.summarise, REWRITE.id: model.rewrite}.get(action or GENERATE.id)

    def get_optimized_gpu_path(self) -> GpuPath | None:
        """The library of the execution provider that makes the best of this machine's GPU; None where there is none.

        `find_gpu_path` says the reason as well. Takes a second the first time; downloads nothing.
        """
        from codex_windows_ai.devices.gpu_path import find_gpu_path

        return find_gpu_path(self._settings.execution_provider_library).path

    def statistics(self) -> EngineStatistics:
        """The engine's figures.

        Raises EngineError: the runtime is not open, or has no engine.
        """
        return self.engine.statistics()

    async def close(self) -> None:
        """Unloads the model; what still runs ends with an error."""
        providers, self._providers = self._providers, []
        self._engine = self._language_model = None
        for provider, _ in providers:
            await asyncio.to_thread(provider.close)
        actions, self._app_actions = self._app_actions, None
        if actions is not None:
            await asyncio.to_thread(actions.close)

    def _opened(self) -> list[tuple[Provider, tuple[Refusal, ...]]]:
        if not self._providers:
            raise EngineError("The runtime is not open.", hint="Call `await runtime.open()` first.")
        return self._providers

    def _asked_for(self, wanted: str | None) -> list[tuple[Provider, tuple[Refusal, ...]]]:
        """The providers that may answer a request which names one; nothing was refused then.

        Raises ProviderNotAvailableError: it is not open here.
        """
        opened = self._opened()
        if wanted is None or wanted == "auto":
            return opened
        found = [(provider, ()) for provider, _ in opened if wanted in _names_of(provider.source)]
        if not found:
            names = ", ".join(_names_of(provider.source)[-1] for provider, _ in opened)
            reason = dict(opened[-1][1]).get(wanted)
            raise ProviderNotAvailableError(
                f"The provider `{wanted}` is not open here; open are: {names}."
                + (f" It was refused: {reason.removesuffix('.')}." if reason else ""),
                hint="Ask for one that is open, or leave `provider` out; to open another one, start the host with the "
                "setting `provider` at it.",
            )
        return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _names_of(source: AnswerSource) -> tuple[str, ...]:
    """What the setting `provider` may call a source; the most precise name last."""
    if source.provider != "engine":
        return (source.provider,)
    return "engine", f"engine:{source.device.partition(':')[0].lower()}"
