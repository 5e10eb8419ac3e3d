"""Prompts as whoever asks wrote them: no template, special tokens are obeyed; and what is to stand in a gap."""

from __future__ import annotations

from dataclasses import dataclass

from codex_windows_ai.chat.beginning import Beginning
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class FillForm:
    """The tokens by which a model was taught to fill a gap (FIM, arXiv 2207.14255): before the text, before what
    follows the gap, and before what fills it. Without the last, what follows comes first.
    """

    prefix: str
    suffix: str
    middle: str = ""

    @property
    def tokens(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(token for token in (self.prefix, self.suffix, self.middle) if token)


FILL_FORMS = (
    FillForm("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen, CodeGemma
    FillForm("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, Granite
    FillForm("<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>"),  # DeepSeek
    FillForm("\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"),  # Code Llama
    FillForm("[PREFIX]", "[SUFFIX]"),  # Codestral
)

FILLED = ("<|endoftext|>", "<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<file_sep>", "\u2581<EOT>")
"""With these models say that a gap is filled, where that is not how they end an answer."""


def fill_form(tokenizer: Tokenizer) -> FillForm | None:
    """How the model fills gaps; None where its vocabulary has no tokens for that."""
    fitting = (form for form in FILL_FORMS if all(tokenizer.id_of(token) is not None for token in form.tokens))
    return next(fitting, None)


def raw_tokens(text: str, tokenizer: Tokenizer, beginning: Beginning) -> list[int]:
    """Token ids of a prompt. Raises ContextLengthExceededError: it alone fills the window."""
    return beginning.begun(tokenizer.encode_prompt(text))


def gap_tokens(text: str, suffix: str, tokenizer: Tokenizer, beginning: Beginning) -> list[int]:
    """Token ids of a prompt behind which stands what belongs between two texts; those are data.

    Raises InvalidRequestError: the model was not taught that. ContextLengthExceededError: they alone fill the window.
    """
    form = fill_form(tokenizer)
    if form is None:
        raise InvalidRequestError(
            "This model cannot take a `suffix`: it has no tokens for filling a gap (FIM).",
            hint="Leave it out, or take a model that was taught so, such as Qwen2.5-Coder.",
            param="suffix",
        )
    tokenizer.check_length(text, suffix)
    before = [*_marked(form.prefix, text, tokenizer)]
    behind = [*_marked(form.suffix, suffix, tokenizer)]
    pieces = [*before, *behind, *_marked(form.middle, "", tokenizer)] if form.middle else [*behind, *before]
    return beginning.begun(pieces)


def _marked(token: str, text: str, tokenizer: Tokenizer) -> list[int]:
    number = tokenizer.id_of(token)
    assert number is not None  # noqa: S101  # the form fits the vocabulary
    return [number, *tokenizer.encode_text(text)]
