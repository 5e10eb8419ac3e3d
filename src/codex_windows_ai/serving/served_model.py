"""A model that a host serves, as endpoints list it."""

from __future__ import annotations

from dataclasses import dataclass

from codex_windows_ai.chat.reasoning import ReasoningForm
from codex_windows_ai.errors import EngineError
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

_PARAMETERS_FOR_TOOLS = 900_000_000


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What is known of a model that answers here.

    `context_window` is in tokens, None where nobody can say; `created` in seconds since 1970, 0 where that is not
    known. `source` says who answers, None for a model that answers only what the first of the list cannot.
    `can_use_tools` is an estimate: whether the model is large enough for an agent's loop of calls and results.
    `efforts` are the words for how much it thinks, from least to most; none where that cannot be chosen.
    """

    name: str
    owner: str
    created: int = 0
    context_window: int | None = None
    source: AnswerSource | None = None
    can_use_tools: bool = False
    thinks: bool = False
    efforts: tuple[str, ...] = ()


def served_names(runtime: WindowsAiRuntime) -> tuple[str, ...]:
    """Names of the models that answer by this runtime, who answers first at the head."""
    folder = _engine_model(runtime)
    names = [runtime.source.model] if folder is None else [runtime.source.model, folder.name]
    return tuple(dict.fromkeys(names))


def served_models(runtime: WindowsAiRuntime) -> tuple[ServedModel, ...]:
    """The models of those names."""
    folder, source = _engine_model(runtime), runtime.source
    reasoning = ReasoningForm() if folder is None else runtime.engine_provider.format.reasoning
    return tuple(
        _describe(name, folder, source if name == source.model else None, reasoning) for name in served_names(runtime)
    )


def can_use_tools(folder: ModelFolder) -> bool:
    """Whether a model is large enough for an agent's loop of calls and results: about a billion parameters.

    Smaller ones call the same tool again and again and never answer (SmolLM2 of 135M: 60 calls of `list_actions`
    in two minutes, for "Pick a colour."). The estimate counts a Llama block's 12 hidden² and the embeddings.
    """
    hidden = folder.hidden_size
    return hidden * (12 * hidden * folder.layers + folder.vocabulary_size) >= _PARAMETERS_FOR_TOOLS


def _describe(
    name: str, engine: ModelFolder | None, source: AnswerSource | None, reasoning: ReasoningForm
) -> ServedModel:
    if engine is None or engine.name != name:
        return ServedModel(name, owner="windows", source=source)
    return ServedModel(
        name,
        owner="codex-windows-ai",
        created=int(engine.model_file.stat().st_mtime),
        context_window=engine.context_length,
        source=source,
        can_use_tools=can_use_tools(engine),
        thinks=reasoning.thinks,
        efforts=reasoning.levels,
    )


def _engine_model(runtime: WindowsAiRuntime) -> ModelFolder | None:
    try:
        return runtime.model_folder
    except EngineError:  # Windows' own language model answers alone
        return None
