"""What is known of an installed model before it is loaded: its size, and the window that fits this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codex_windows_ai.chat.format import ChatFormat
from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.chat.formats.untaught import Untaught
from codex_windows_ai.chat.reasoning import ReasoningForm
from codex_windows_ai.chat.tool_format import ToolFormat
from codex_windows_ai.engine.memory_plan import plan_memory
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import ModelNotFoundError, UnsupportedModelError, WindowsAiError
from codex_windows_ai.models.folder import TOKENIZER, read_model_folder
from codex_windows_ai.models.graph_check import read_sizes
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import Settings


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """An installed model. Sizes are in bytes, windows in tokens."""

    name: str
    path: Path
    source: str
    precision: str
    """What became of its weights when it was converted."""
    bytes: int
    weights_bytes: int
    own_window: int
    window: int
    """What of its own fits this machine; 0: nothing that is of use."""
    kv_cache: str
    """What keys and values are kept as here: `float32`, `float16`, or the graph's own type."""
    token_bytes: int
    """Of the keys and values of one token."""
    state_bytes: int
    """Of what a sequence takes beside them, however long it is: states of layers without keys and values."""
    reasoning: ReasoningForm
    """How its chat template deals with what the model thinks."""
    memory: dict[str, int]
    """Bytes that each part may take here, their sum as `budget`; empty where it does not fit."""
    chat_format: str
    """How it calls tools, and who says so; nothing where its template cannot be used."""
    remarks: tuple[str, ...]


def describe_model(store: ModelStore, name: str, settings: Settings) -> ModelFacts:
    """Describes an installed model.

    Raises ModelNotFoundError: none of that name is installed. ModelFileError, UnsupportedModelError: it is not sound.
    """
    name = store.find(name)
    installed = next((model for model in store.list() if model.name == name), None)
    if installed is None:
        raise ModelNotFoundError(
            f"The model `{name}` is not installed.", hint=f"`cwai models add {name}` installs it, then ask again."
        )
    folder = read_model_folder(installed.path)
    sizes = read_sizes(folder)
    window, token, kept = 0, sizes.token, "float32" if sizes.can_be_halved else "as its graph has them"
    remarks, memory = installed.remarks, dict[str, int]()
    try:
        plan = plan_memory(sizes, folder.context_length, settings.kv_cache, memory=settings.memory)
    except UnsupportedModelError as error:
        remarks += (error.message,)
    else:
        window, token, kept = plan.window, plan.token_bytes, "float16" if plan.half_precision else kept
        memory = plan.parts | {"budget": plan.budget}
    reasoning, spoken = ReasoningForm(), ""
    try:
        form = chat_format(folder.path, Tokenizer(folder.path / TOKENIZER), settings.chat_format)
    except WindowsAiError as error:
        remarks += (error.message,)
    else:
        reasoning, spoken = form.reasoning, _described(form, settings)
    return ModelFacts(
        name=name,
        path=installed.path,
        source=installed.source,
        precision=installed.precision,
        bytes=installed.bytes,
        weights_bytes=sizes.weights,
        own_window=folder.context_length,
        window=window,
        kv_cache=kept,
        token_bytes=token,
        state_bytes=sizes.state,
        reasoning=reasoning,
        memory=memory,
        chat_format=spoken,
        remarks=remarks,
    )


def _described(form: ChatFormat, settings: Settings) -> str:
    """A format, and where it is from."""
    if isinstance(form, Untaught):
        return f"{form.name}, since it has no chat template"
    written = isinstance(form, ToolFormat) and form.native
    told = "calls as its template writes them" if written else "told of tools in words"
    return f"{form.name}, {told}" + ("" if settings.chat_format == "auto" else "; by the setting `chat_format`")
