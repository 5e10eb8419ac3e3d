"""Answers that match a grammar: JSON schema, regex or Lark, through `llguidance`."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from codex_windows_ai.engine.sampling.grammar_trial import check_grammar, grammar_name
from codex_windows_ai.engine.sampling.grammar_worker import begin, reason
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.request import Grammar

FOLLOW_SECONDS, TOKEN_SECONDS = 1.0, 0.02
"""Processor time to follow one answer through its grammar: that in all, and that much more for each token.

The library bounds what one token takes, to half a second; a grammar that takes it at every token would hold up all
others that the engine answers.
"""


class GrammarCompiler:
    """Compiles grammars for one model's tokenizer."""

    def __init__(self, tokenizer: Tokenizer, vocabulary_size: int, end_ids: tuple[int, ...]) -> None:
        self._vocabulary_size = vocabulary_size
        vocabulary = TokenizerWrapper(_Vocabulary(tokenizer, vocabulary_size, end_ids))
        self._tokenizer = LLTokenizer(vocabulary, eos_token=list(end_ids))

    def compile(self, grammar: Grammar) -> GrammarMatcher:
        """A matcher at the start of the grammar.

        Raises InvalidGrammarError: it does not parse, nothing can match it, or it takes too much to compile.
        """
        check_grammar(grammar)
        return GrammarMatcher(start_matcher(self._tokenizer, grammar), self._vocabulary_size)


def start_matcher(tokenizer: LLTokenizer, grammar: Grammar) -> LLMatcher:
    """The library's own matcher at the start of a grammar, which `check_grammar` found to compile in good time.

    Raises InvalidGrammarError: it does not parse, or nothing can match it.
    """
    try:
        return begin(tokenizer, grammar.kind, grammar.definition, lenient=grammar.lenient)
    except ValueError as error:
        raise InvalidGrammarError(f"The {grammar_name(grammar)} is not valid: {error}") from error


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
        self._seconds_left = FOLLOW_SECONDS

    def allowed(self) -> npt.NDArray[np.bool_]:
        """Which tokens [vocabulary] may come next; end tokens only where the grammar may end.

        Raises InvalidGrammarError: the grammar takes too much; so do `consume` and `forced`.
        """
        with self._counted():
            bitmask = self._matcher.compute_bitmask()
        bits = np.unpackbits(np.frombuffer(bitmask, dtype=np.uint8), bitorder="little")
        mask = np.zeros(self._vocabulary_size, dtype=bool)
        size = min(self._vocabulary_size, bits.size)
        mask[:size] = bits[:size]
        return mask

    def consume(self, token_id: int) -> None:
        """Goes on by a token that `allowed` named."""
        with self._counted():
            consumed = self._matcher.consume_token(token_id)
        self._seconds_left += TOKEN_SECONDS
        if not consumed:
            raise InvalidGrammarError(f"The grammar cannot go on: {reason(self._matcher)}")

    def restart(self) -> None:
        """Goes back to the start of the grammar."""
        self._matcher.reset()

    def consume_unless_last(self, token_id: int) -> bool:
        """Goes on by a token that `forced` named, unless nothing may follow it; whether it did."""
        self.consume(token_id)
        if self.finished:
            self._matcher.rollback(1)
            return False
        return True

    def forced(self) -> list[int]:
        """Tokens that must follow, where the grammar leaves no choice."""
        with self._counted():
            return list(self._matcher.compute_ff_tokens())

    @property
    def finished(self) -> bool:
        """The grammar is complete and allows nothing more."""
        return self._matcher.is_stopped()

    @contextmanager
    def _counted(self) -> Generator[None]:
        began = time.thread_time()
        yield
        self._seconds_left -= time.thread_time() - began
        if self._seconds_left < 0:
            raise InvalidGrammarError(
                "The grammar takes too much to follow: more than "
                f"{FOLLOW_SECONDS:g} s and {TOKEN_SECONDS:g} s for each token of the answer, in processor time.",
                hint="Simplify it: an ambiguous grammar, or a pattern that counts far, has too many ways to go on.",
            )
