"""How each family of models talks: one file a format, and the choice among them."""

from __future__ import annotations

from pathlib import Path

from codex_windows_ai.chat.format import ChatFormat
from codex_windows_ai.chat.formats.gemma3 import Gemma3
from codex_windows_ai.chat.formats.gemma4 import Gemma4
from codex_windows_ai.chat.formats.glm import Glm
from codex_windows_ai.chat.formats.harmony import Harmony
from codex_windows_ai.chat.formats.hermes import Hermes
from codex_windows_ai.chat.formats.llama import Llama
from codex_windows_ai.chat.formats.mistral import Mistral
from codex_windows_ai.chat.formats.phi4 import Phi4
from codex_windows_ai.chat.formats.qwen_xml import QwenXml
from codex_windows_ai.chat.formats.untaught import Untaught
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.chat.template_files import has_template
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import SettingsError

FORMATS: tuple[type[ChatFormat], ...] = (
    QwenXml, Glm, Llama, Mistral, Phi4, Gemma3, Gemma4, Harmony, Hermes,
)  # fmt: skip
"""The first that suits a model's template is taken; the last suits all."""


def chat_format(folder: Path, tokenizer: Tokenizer, name: str = "auto") -> ChatFormat:
    """The format of the model in a folder: the one of this name, or by `auto` the one that its template writes.

    A model without a template takes raw prompts alone.

    Raises ModelFileError: its chat template does not compile, or it has none and a format is asked for. SettingsError:
    there is no format of this name, or the template cannot be used with it.
    """
    if name == "auto" and not has_template(folder):
        return Untaught(folder, tokenizer)
    template = ChatTemplate(folder, tokenizer)
    chosen = next((kind for kind in FORMATS if (kind.suits(template) if name == "auto" else kind.name == name)), None)
    if chosen is None:
        known = ", ".join(f"`{kind.name}`" for kind in FORMATS)
        raise SettingsError(f"There is no chat format `{name}`.", hint=f"Take `auto`, or one of {known}.")
    return chosen(template, tokenizer)
