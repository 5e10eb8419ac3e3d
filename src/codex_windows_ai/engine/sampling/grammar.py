"""Answers that match a grammar: JSON schema, regex or Lark, through `llguidance`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from codex_windows_ai.engine.sampling.remembered import Remembered
from codex_windows_ai.engine.sampling.schemas import MOST_CHARACTERS, size_fault
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.request import Grammar

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions


JSON_STYLE: JsonCompileOptions = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": False,
}
"""How JSON is written, in llguidance's terms: as `json.dumps` does, on one line, and no keyword left out.

Models have seen that form most, and with free whitespace small ones fill whole answers with it.
"""


# A schema with hundreds of optional properties, or a list of hundreds of tools, has that many ways to go on at once.
_LIMITS = LLParserLimits(max_items_in_row=50_000)

MOST_COMPOSED_CHARACTERS = 4 * 1024 * 1024
"""Of all that a composed grammar is made of."""


class GrammarCompiler:
    """Compiles grammars for one model's tokenizer."""

    def __init__(self, tokenizer: Tokenizer, vocabulary_size: int, end_ids: tuple[int, ...]) -> None:
        self._vocabulary_size = vocabulary_size
        vocabulary = TokenizerWrapper(_Vocabulary(tokenizer, vocabulary_size, end_ids))
        self._tokenizer = LLTokenizer(vocabulary, eos_token=list(end_ids))

    def compile(self, grammar: Grammar) -> GrammarMatcher:
        """A matcher at the start of the grammar.

        Raises InvalidGrammarError: it does not parse, or nothing can match it.
        """
        return GrammarMatcher(start_matcher(self._tokenizer, grammar), self._vocabulary_size)


_checked = Remembered[bool](8 * 1024 * 1024)


def check_grammar(grammar: Grammar) -> None:
    """Refuses what no model could follow; cheap, because agents offer the same tools again and again.

    Raises InvalidGrammarError: it does not parse, or nothing can match it.
    """
    _checked.get(lambda: bool(start_matcher(_byte_tokenizer(), grammar)), *_key(grammar))


def _key(grammar: Grammar) -> tuple[str, ...]:
    return grammar.kind, "lenient" if grammar.lenient else "", grammar.definition


@cache
def _byte_tokenizer() -> LLTokenizer:
    return LLTokenizer("byte")


@dataclass(frozen=True, slots=True)
class SchemaSupport:
    """How far a JSON schema can be followed: not at all for a `fault`, else but for what is `ignored`."""

    fault: str
    ignored: tuple[str, ...] = ()


def schema_support(schema: dict[str, Any], *, lenient: bool) -> SchemaSupport:
    """How far a schema can be followed; only a `lenient` reading ignores keywords that the library does not know."""
    style: JsonCompileOptions = {**JSON_STYLE, "lenient": lenient}
    try:
        compiled = LLMatcher.grammar_from_json_schema(schema, overrides=style)
    except (ValueError, RecursionError) as error:
        return SchemaSupport(str(error))
    matcher = LLMatcher(_byte_tokenizer(), compiled, log_level=0, limits=_LIMITS)
    return SchemaSupport(_fault(matcher), tuple(matcher.get_grammar_warnings()))


def start_matcher(tokenizer: LLTokenizer, grammar: Grammar) -> LLMatcher:
    """The library's own matcher at the start of a grammar.

    Raises InvalidGrammarError: it does not parse, or nothing can match it.
    """
    _check_size(grammar)
    try:
        if grammar.kind == "json_schema":
            compiled = _json_grammar(grammar)
        elif grammar.kind == "regex":
            compiled = LLMatcher.grammar_from_regex(grammar.definition)
        elif grammar.kind == "lark":
            compiled = LLMatcher.grammar_from_lark(grammar.definition)
        else:
            compiled = grammar.definition
    except (ValueError, RecursionError) as error:
        raise InvalidGrammarError(f"The {_name(grammar)} is not valid: {error}") from error
    matcher = LLMatcher(tokenizer, compiled, log_level=0, limits=_LIMITS)
    if fault := _fault(matcher):
        raise InvalidGrammarError(f"The {_name(grammar)} is not valid: {fault}")
    return matcher


def _check_size(grammar: Grammar) -> None:
    most = MOST_COMPOSED_CHARACTERS if grammar.kind == "composed" else MOST_CHARACTERS
    if len(grammar.definition) > most:
        raise InvalidGrammarError(
            f"The {_name(grammar)} has {len(grammar.definition):,} characters; up to {most:,} can be followed."
        )


def _json_grammar(grammar: Grammar) -> str:
    schema: Any = json.loads(grammar.definition)
    if fault := size_fault(schema, grammar.definition):
        raise ValueError(fault)
    style: JsonCompileOptions = {**JSON_STYLE, "lenient": grammar.lenient}
    return LLMatcher.grammar_from_json_schema(schema, overrides=style)


def _fault(matcher: LLMatcher) -> str:
    """Why a matcher at its start cannot be used; nothing where it can."""
    if matcher.is_error():
        return _reason(matcher)
    # The library finds out that nothing can match when it looks for the first token.
    if not any(matcher.compute_bitmask()) or matcher.is_error():
        return "nothing can match it, no token may begin the answer."
    return ""


class _Vocabulary:
    """A model's tokens, as the library asks for them.

    Read from `tokenizer.json` by the library itself, every added token in angle brackets would be a
    special one, `<tool_call>` of the Qwen models among them, which is text that grammars speak of.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary_size: int, end_ids: tuple[int, ...]) -> None:
        self._tokenizer = tokenizer
        self.eos_token_id = end_ids[0]
        self.bos_token_id = None
        self.tokens = [tokenizer.bytes_of(token_id) for token_id in range(vocabulary_size)]
        self.special_token_ids = sorted({*tokenizer.special_ids.values(), *end_ids})

    def __call__(self, text: str) -> list[int]:
        return self._tokenizer.encode_text(text)


class GrammarMatcher:
    """Follows one answer through its grammar."""

    def __init__(self, matcher: LLMatcher, vocabulary_size: int) -> None:
        self._matcher = matcher
        self._vocabulary_size = vocabulary_size

    def allowed(self) -> npt.NDArray[np.bool_]:
        """Which tokens [vocabulary] may come next; end tokens only where the grammar may end."""
        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
        mask = np.zeros(self._vocabulary_size, dtype=bool)
        size = min(self._vocabulary_size, bits.size)
        mask[:size] = bits[:size]
        return mask

    def consume(self, token_id: int) -> None:
        """Goes on by a token that `allowed` named."""
        if not self._matcher.consume_token(token_id):
            raise InvalidGrammarError(f"The grammar cannot go on: {_reason(self._matcher)}")

    def consume_unless_last(self, token_id: int) -> bool:
        """Goes on by a token that `forced` named, unless nothing may follow it; whether it did."""
        self.consume(token_id)
        if self.finished:
            self._matcher.rollback(1)
            return False
        return True

    def forced(self) -> list[int]:
        """Tokens that must follow, where the grammar leaves no choice."""
        return list(self._matcher.compute_ff_tokens())

    @property
    def finished(self) -> bool:
        """The grammar is complete and allows nothing more."""
        return self._matcher.is_stopped()


def _reason(matcher: LLMatcher) -> str:
    """What the library says, without the dump of its state that follows."""
    return matcher.get_error().partition("<state>")[0].strip()


def _name(grammar: Grammar) -> str:
    names = {"json_schema": "JSON schema", "regex": "regex", "lark": "Lark grammar", "composed": "composed grammar"}
    return names[grammar.kind]
