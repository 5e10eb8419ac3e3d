"""Checks before any work: everything that can be wrong with a request is found here."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.preamble import Preamble
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sampling.grammar import GrammarCompiler, GrammarMatcher
from codex_windows_ai.engine.sampling.sampler import check_sampling
from codex_windows_ai.engine.sequence import Deliver, Sequence
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import ContextLengthExceededError, InvalidRequestError
from codex_windows_ai.models.folder import ModelFolder

# As in OpenAI's interface; without a bound one request could ask for the whole vocabulary at every token.
MOST_ALTERNATIVES = 20

_TOGETHER = 4
"""Sequences without a limit that must fit beside one another, or their answers are shorter than the window."""

_PREAMBLE_SHARE = 0.75
"""Of all tokens that may be said, those that a preamble may have, so that an answer follows."""


class RequestValidator:
    """Turns requests into sequences. `max_sequence_length` is what the memory budget holds, in tokens."""

    def __init__(
        self,
        folder: ModelFolder,
        configuration: EngineConfiguration,
        tokenizer: Tokenizer,
        *,
        vocabulary_size: int,
        max_sequence_length: int,
        has_states: bool = False,
        prefixes_alike: bool = True,
    ) -> None:
        self._folder = folder
        self._configuration = configuration
        self._tokenizer = tokenizer
        self._vocabulary_size = vocabulary_size
        self._max_sequence_length = max_sequence_length
        self._has_states = has_states
        self._prefixes_alike = prefixes_alike
        self._end_ids = frozenset(folder.eos_token_ids)

    @cached_property
    def grammars(self) -> GrammarCompiler:
        """What compiles grammars; it is made in a quarter of a second, in which no other thread runs."""
        return GrammarCompiler(self._tokenizer, self._vocabulary_size, tuple(self._end_ids))

    def prepare(self, request: EngineRequest, deliver: Deliver) -> Sequence:
        """Checks a request and makes its sequence.

        Raises InvalidRequestError, ContextLengthExceededError, InvalidGrammarError.
        """
        check_sampling(request.sampling)
        if any(not stop for stop in request.stop):
            raise InvalidRequestError("A stop string must not be empty.", param="stop")
        if request.top_logprobs is not None and not 0 <= request.top_logprobs <= MOST_ALTERNATIVES:
            raise InvalidRequestError(
                f"`top_logprobs` must be between 0 and {MOST_ALTERNATIVES}; given: {request.top_logprobs}.",
                param="top_logprobs",
            )
        self._check_prompt(request.prompt)
        limit = self._max_output_tokens(request)
        return Sequence(
            replace(request, preamble=_leaving_room(request.preamble, limit)),
            max_output_tokens=limit,
            tokenizer=self._tokenizer,
            vocabulary_size=self._vocabulary_size,
            end_ids=self._end_ids,
            matcher=self._matcher(request),
            deliver=deliver,
            grid=self._has_states or (not self._prefixes_alike and request.sampling.seed is not None),
            prefixes_alike=self._prefixes_alike,
        )

    def _check_prompt(self, prompt: tuple[int, ...]) -> None:
        outside = [token for token in prompt if not 0 <= token < self._vocabulary_size]
        if outside:
            raise InvalidRequestError(f"Token id {outside[0]} is outside the vocabulary of {self._vocabulary_size}.")
        if not prompt:
            raise InvalidRequestError("The prompt is empty.", hint="Say what you want answered.")

    def _max_output_tokens(self, request: EngineRequest) -> int:
        asked, prompt_tokens = request.max_output_tokens, len(request.prompt)
        if asked is not None and asked < 1:
            raise InvalidRequestError(
                f"`max_output_tokens` must be at least 1; given: {asked}.", param="max_output_tokens"
            )
        window = self._folder.context_length
        if prompt_tokens >= window:
            raise ContextLengthExceededError(prompt_tokens=prompt_tokens, context_length=window)
        if prompt_tokens >= self._max_sequence_length:
            raise InvalidRequestError(
                f"The prompt has {prompt_tokens} tokens, but the memory budget of {self._configuration.row_bytes:,} "
                f"bytes for running requests holds {self._max_sequence_length}, the answer's among them.",
                hint="Shorten the request, or allow the model more (setting `memory`).",
            )
        room = min(window, self._max_sequence_length) - prompt_tokens
        return min(room, asked or self._default_output_tokens(prompt_tokens))

    def _default_output_tokens(self, prompt_tokens: int) -> int:
        """What an answer may have whose request says nothing: all that leaves room for others beside it.

        A sequence is admitted with all the tokens that it may come to, and slots are as long as the longest.
        """
        share = self._max_sequence_length // _TOGETHER - prompt_tokens
        return max(self._configuration.default_output_tokens, share)

    def _matcher(self, request: EngineRequest) -> GrammarMatcher | None:
        return None if request.grammar is None else self.grammars.compile(request.grammar)


def _leaving_room(preamble: Preamble | None, limit: int) -> Preamble | None:
    """The same preamble, of no more tokens than leave an answer its share of the `limit`."""
    if preamble is None:
        return None
    most = int(limit * _PREAMBLE_SHARE)
    return replace(preamble, most_tokens=most if preamble.most_tokens is None else min(most, preamble.most_tokens))
