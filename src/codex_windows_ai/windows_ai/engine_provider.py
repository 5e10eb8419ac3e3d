"""The engine behind the interface of every provider, on the CPU or on a device that proved itself first."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.devices.compiled_model import compiled_model, compiles
from codex_windows_ai.devices.devices import Device
from codex_windows_ai.devices.proof import require_the_same_answers
from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.engine.kv.half_precision import measured_loss
from codex_windows_ai.engine.memory_plan import MemoryPlan, plan_memory
from codex_windows_ai.engine.model import ConfigureSession
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.errors import (
    ContextLengthExceededError,
    EngineError,
    ModelError,
    NotAvailableError,
    WindowsAiError,
)
from codex_windows_ai.hardware.cpu import read_cpu
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.graph_check import read_sizes
from codex_windows_ai.models.progress import Progress, silent
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.model_proof import model_store

__all__ = ["EngineProvider", "kernel_shares"]

_LEAST_SHARE = 0.5


class EngineProvider:
    """The model of the settings, fetched first where it is not here yet, and loaded; without `device` on the CPU.

    A device is believed once it has generated a token of this model, with most of the time spent
    by its own execution provider: a session that is asked for one runs on the CPU without a word
    where the provider cannot take the work. And it must compute what the processor does (`device_proof`).

    Raises ModelError, StorageError: the model cannot be had. NotAvailableError: the device did not prove itself.
    """

    def __init__(self, settings: Settings, *, device: Device | None = None, progress: Progress | None = None) -> None:
        report = progress or silent
        self._thinking_budget = settings.thinking_budget
        self.folder: ModelFolder = model_store().resolve(settings.model, progress=progress)
        report("loading", 0, 1)
        self.remarks: tuple[str, ...] = ()
        """What whoever looks after the host should know of how the model runs."""
        # What a device computes with has the type that its graph says.
        precision = settings.kv_cache if device is None else "float32"
        plan = plan_memory(read_sizes(self.folder), self.folder.context_length, precision, memory=settings.memory)
        configuration = plan.configure(settings.threads, settings.reading_pause)
        if device is None:
            own_window, self.folder = self.folder.context_length, replace(self.folder, context_length=plan.window)
            self.engine = Engine(self.folder, configuration)
            self.remarks = _remarks(plan, own_window, self.engine, self.folder.name)
        else:
            self.engine = _engine_on(device, self.folder, configuration, progress)
        try:
            self.format = chat_format(self.folder.path, self.engine.tokenizer, settings.chat_format)
            """How the model is spoken to, and how its answers are read."""
            with suppress(Exception):  # who asks for a grammar is told
                _ = self.engine.core.validator.grammars  # made now, while nobody is served who would wait for it
            with suppress(Exception):  # as above
                self._warm_up()
        except WindowsAiError:
            self.engine.close()
            raise
        self.source = AnswerSource(
            provider="engine",
            device=f"CPU: {read_cpu().name}" if device is None else f"{device.kind.upper()}: {device.name}",
            execution_provider=(
                self.engine.core.model.execution_provider if device is None else device.execution_provider
            ),
            model=self.folder.name,
            transport="in-process",
        )
        """Who answers; read once, as every answer names it."""
        report("loading", 1, 1)

    def stream(self, request: GenerationRequest) -> Generation:
        """Begins to answer; raises as `ChatFormat.prepare` and `Engine.submit`."""
        if request.reasoning_budget is None:
            request = replace(request, reasoning_budget=self._thinking_budget)
        prompt = self.format.prepare(request)
        generation = self.engine.submit(
            EngineRequest(
                prompt=prompt.tokens,
                sampling=request.sampling,
                max_output_tokens=request.max_output_tokens,
                stop=(*request.stop, *prompt.stop),
                grammar=prompt.grammar,
                agent=request.agent,
                deadline=request.deadline,
                top_logprobs=request.top_logprobs,
                preamble=prompt.preamble,
            )
        )
        if prompt.parser is not None:
            generation.read = prompt.read
        generation.left_out = (*prompt.left_out, *_clamped(request.max_output_tokens, generation.output_limit))
        return generation

    def count_tokens(self, request: GenerationRequest) -> int:
        """How many tokens its prompt has; one far too long is not counted to its end, and has as many at least.

        Raises as `ChatFormat.prepare`.
        """
        try:
            return len(self.format.prepare(request).tokens)
        except ContextLengthExceededError as error:
            return error.prompt_tokens

    def _warm_up(self) -> None:
        """What the first prompt would wait for is done now: template, tokenizer, a pass."""
        self.format.prepare(self.format.greeting)
        self.engine.core.warm_up()

    def close(self) -> None:
        """Unloads the model; what still runs ends with EngineClosedError."""
        self.engine.close()


def _remarks(plan: MemoryPlan, own_window: int, engine: Engine, name: str) -> tuple[str, ...]:
    """What the plan costs the model's users."""
    found: list[str] = []
    if plan.half_precision:
        loss = measured_loss(engine.core.model, engine.tokenizer)
        found.append(
            f"{name} keeps keys and values as float16, {plan.token_bytes:,} bytes a token, half of float32; measured "
            f"loss {loss:.1g} nats a token (setting `kv_cache`)."
        )
    if plan.window < own_window:
        found.append(
            f"{name} has a window of {plan.window:,} tokens here; its own of {own_window:,} does not fit this "
            "machine's memory."
        )
    if plan.checkpoints:
        found.append(f"{name} has layers with recurrent states; no draft tokens are tried with it.")
    return tuple(found)


def _clamped(asked: int | None, given: int | None) -> tuple[str, ...]:
    """An output limit is no reservation: more than there is room for is as much as there is room for."""
    if asked is None or given is None or asked <= given:
        return ()
    return (f"max_output_tokens: {asked} asked for, the window leaves {given}",)


def _engine_on(
    device: Device, folder: ModelFolder, configuration: EngineConfiguration, progress: Progress | None
) -> Engine:
    loaded = folder
    if compiles(device):
        loaded = replace(folder, model_file=compiled_model(folder, device, progress))
    with tempfile.TemporaryDirectory() as scratch:
        profiled = _profiled(device, Path(scratch) / "trial")
        try:
            engine = Engine(loaded, configuration, configure_session=profiled)
        except ModelError as error:
            raise NotAvailableError(f"{device.execution_provider} does not load the model: {error.message}") from error
        try:
            _require_own_work(engine, folder, device)
            require_the_same_answers(engine.core.model, folder, device)
        except WindowsAiError:
            engine.close()
            raise
    return engine


def _require_own_work(engine: Engine, folder: ModelFolder, device: Device) -> None:
    """Has a token generated. Raises NotAvailableError: there came none, or others did most of the work."""
    try:
        form = chat_format(folder.path, engine.tokenizer)
        prompt = form.prepare(form.greeting)
        list(engine.submit(EngineRequest(prompt.tokens, max_output_tokens=1)))
        shares = kernel_shares(engine.core.model.end_profile())
    except EngineError as error:
        raise NotAvailableError(f"{device.execution_provider} did not generate a token: {error.message}") from error
    share = shares.get(device.execution_provider, 0.0)
    if share < _LEAST_SHARE:
        others = ", ".join(f"{name} {part:.0%}" for name, part in shares.items() if name != device.execution_provider)
        raise NotAvailableError(
            f"{device.execution_provider} did {share:.0%} of the work of one token ({others or 'nobody else any'})"
        )


def _profiled(device: Device, prefix: Path) -> ConfigureSession:
    def configure(options: Any) -> None:
        device.configure(options)
        options.enable_profiling = True
        options.profile_file_prefix = str(prefix)

    return configure


def kernel_shares(profile: Path) -> dict[str, float]:
    """How the time in kernels divides among execution providers, of a profile that ONNX Runtime wrote."""
    events: list[dict[str, Any]] = json.loads(profile.read_text(encoding="utf-8"))
    spent: Counter[str] = Counter()
    for event in events:
        provider = event.get("args", {}).get("provider")
        if event.get("cat") == "Node" and provider:
            spent[str(provider)] += int(event["dur"])
    total = spent.total()
    return {provider: duration / total for provider, duration in spent.items()} if total else {}
