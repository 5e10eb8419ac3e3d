"""One request on its way through the engine: its tokens, what of them is computed, what it said."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from enum import Enum

import numpy as np
import numpy.typing as npt

from codex_windows_ai.engine.kv.checkpoints import GRID_TOKENS, LEAST_TOKENS
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS
from codex_windows_ai.engine.kv.prefix_cache import Block
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sampling.draft import PromptLookup
from codex_windows_ai.engine.sampling.grammar import GrammarMatcher
from codex_windows_ai.engine.sampling.repetition import repeated
from codex_windows_ai.engine.sampling.sampler import Logits, Sampler, likeliest, log_softmax
from codex_windows_ai.engine.saying import Saying
from codex_windows_ai.engine.token_budget import PrefillBudget
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import ChosenToken, Delta, FinishReason, Timings, TokenLogprob, Usage

Deliver = Callable[[Delta | WindowsAiError], None]
Allowed = npt.NDArray[np.bool_]


class Phase(Enum):
    """Where a sequence is."""

    WAITING = "waiting"
    PREFILL = "prefill"
    DECODE = "decode"
    DONE = "done"


class Sequence:
    """A request's state. `tokens` is the prompt and then the answer so far.

    Where the grammar leaves no choice the answer goes on by itself (jump-forward decoding, of SGLang): what it
    begins with is read with the prompt, and behind a chosen token there may be others, none of them computed.
    The grammar is followed from where the answer begins: behind the preamble, if there is one.

    The first `computed` tokens have keys and values; those of the first `exact_length` were
    prefilled on nothing but prefilled history. The slot holds them, but for the first `attached`
    ones, which are read from the prefix that `SharedPrefixes` holds.

    Where the model has recurrent states, the prompt is read on a `grid` (`GRID_TOKENS`). Unless bits count, the last
    piece is also cut at `turn_end`, where a next turn may begin that leaves out what was thought in this one. Unless
    `prefixes_alike`, what one prompt computes has not the bits of another that begins alike: nothing of it is exact.
    """

    def __init__(
        self,
        request: EngineRequest,
        *,
        max_output_tokens: int,
        tokenizer: Tokenizer,
        vocabulary_size: int,
        end_ids: frozenset[int],
        matcher: GrammarMatcher | None,
        deliver: Deliver,
        grid: bool = False,
        prefixes_alike: bool = True,
    ) -> None:
        self.request = request
        self.agent = request.agent
        self.tokens = list(request.prompt)
        self.prompt_length = len(self.tokens)
        self.max_output_tokens = max_output_tokens
        self.exact = request.sampling.seed is not None
        self.phase = Phase.WAITING
        self.ending: FinishReason | None = None
        self.repeated: int | None = None
        """How many tokens it says over and over, where that ends it."""
        self.slot = -1
        self.computed: int = 0
        self.exact_length: int = 0
        self.attached: int = 0
        self.cached_tokens = 0
        self.seconds_per_token = 0.0
        """What prefilling took last; it grows with the prompt."""
        self.last_block: Block | None = None
        self.blocks = 0
        self.checkpointed = 0
        """Tokens up to the last checkpoint that it took, or went on from."""
        self.branch = 0
        """Where others that have its first tokens went on differently; on the grid."""
        self.on_grid = grid
        self._prefixes_alike = prefixes_alike
        self._lookup = None if self.exact else PromptLookup()
        self._sampler = Sampler(request.sampling, vocabulary_size, np.asarray(self.tokens, dtype=np.int64))
        self._matcher = matcher
        self._tokenizer = tokenizer
        self._preamble = request.preamble
        self._saying = Saying(tokenizer, request.stop, request.preamble)
        self._end_ids = end_ids
        self._deliver = deliver
        if matcher is not None and self._preamble is not None and self._preamble.most_tokens == 0:
            self._saying.begin_answer()
        # Log probabilities need every token computed; and a stop string could end all at once.
        if matcher is not None and self._answering and request.top_logprobs is None and not request.stop:
            self._begin(matcher)
        self.given_length = len(self.tokens)
        """Tokens to be read before the first is chosen: the prompt, and how any answer must begin."""
        self.turn_end = self._last_turn_end() if grid and not self.exact else 0
        self.spoke_at: float | None = None
        """When the last tokens were chosen."""
        self.submitted = time.perf_counter()
        self._started: float | None = None
        self._first_token: float | None = None

    @property
    def output_tokens(self) -> int:
        """Tokens generated so far."""
        return len(self.tokens) - self.prompt_length

    @property
    def remaining(self) -> int:
        """Given tokens still to be read."""
        return self.given_length - self.computed

    @property
    def forced(self) -> list[int]:
        """The tokens that the next pass of decoding computes without a choice: one where bits count."""
        most = 1 if self.exact else PromptLookup.LONGEST
        return self.tokens[self.computed : self.computed + most]

    def begins_with(self, tokens: list[int]) -> bool:
        """Whether these are its first tokens."""
        return self.tokens[: len(tokens)] == tokens

    @property
    def in_slot(self) -> range:
        """The tokens whose keys and values its slot holds."""
        return range(self.attached, self.computed)

    @property
    def longest(self) -> int:
        """Tokens its slot may have to hold."""
        return self.prompt_length + self.max_output_tokens

    @property
    def expired(self) -> bool:
        """Its deadline passed."""
        deadline = self.request.deadline
        return deadline is not None and time.perf_counter() - self.submitted > deadline

    def next_chunk(self, budget: int) -> int:
        """How many prompt tokens to prefill now.

        Chunks end on multiples that block borders are among, so that the cache can take over, and where
        bits count none of them is alone in a block of queries. On a grid they are the same under any budget.
        """
        if self.on_grid:
            return self.next_piece_end - self.computed
        remaining, step = self.remaining, PrefillBudget.SMALLEST_PIECE
        budget = max(budget, step)
        chunk = (self.computed + budget + 1) // step * step - self.computed
        if remaining <= budget + 1 or remaining - chunk == 1:
            chunk = remaining
        if self.exact and chunk > 1 and self._ends_alone(chunk):
            chunk -= 2  # those two will be together
        return chunk

    @property
    def next_piece_end(self) -> int:
        """Where the next piece of a prompt ends that is read on the grid.

        What went on from a checkpoint beside the grid comes back to it, in pieces that are not too small.
        """
        at, strays = self.computed, self.computed % GRID_TOKENS > 0
        end = (at + (LEAST_TOKENS - 1 if strays else 0)) // GRID_TOKENS * GRID_TOKENS + GRID_TOKENS
        if at + LEAST_TOKENS <= self.turn_end < end and self.turn_end - self.checkpointed >= GRID_TOKENS:
            return self.turn_end
        if strays and end + LEAST_TOKENS > self.given_length:
            return self.given_length
        return min(end, self.given_length)

    @property
    def next_handover(self) -> int:
        """Where the prefix cache, and so others with the same prompt, may next have what it computes."""
        return self.next_piece_end if self.on_grid else self.computed + BLOCK_TOKENS

    def _last_turn_end(self) -> int:
        """Behind the last turn of the prompt, if what follows it is no longer than a piece; else 0."""
        for end in range(self.given_length - 1, max(self.given_length - GRID_TOKENS, 0), -1):
            if self.tokens[end - 1] in self._end_ids:
                return end
        return 0

    @staticmethod
    def _ends_alone(together: int) -> bool:
        """Whether the kernel's last block of queries has one of so many, which another kernel computes: other bits.

        ONNX Runtime takes queries in blocks of two head sizes, or fewer where the cache is small: of a multiple
        of 16 with the heads of Llama and Qwen. The last block may have one query.
        """
        return together % 16 == 1

    def advance(self, tokens: int, *, together: int) -> None:
        """`tokens` more are computed, in a forward pass over `together` tokens of this sequence."""
        end = self.computed + tokens
        keeps_bits = end % GRID_TOKENS == 0 if self.on_grid else not self._ends_alone(together)
        if self._prefixes_alike and self.exact_length == self.computed and keeps_bits:
            self.exact_length = end
        self.computed = end

    def advance_cached(self, tokens: int, *, exact: bool) -> None:
        """`tokens` more were copied from the prefix cache."""
        if exact and self.exact_length == self.computed:
            self.exact_length += tokens
        self.computed += tokens
        self.cached_tokens += tokens

    def start(self) -> None:
        """Work on it begins; the first call counts."""
        if self._started is None:
            self._started = time.perf_counter()

    def draft(self) -> list[int]:
        """Draft tokens; empty where bits count, or where drafting does not pay."""
        limit = self.max_output_tokens - self.output_tokens - 1
        if self._lookup is None or len(self.tokens) - self.computed > PromptLookup.LONGEST:
            return []
        return self._lookup.draft(self.tokens, limit)

    def accept(self, logits: Logits, draft: SequenceOf[int], *, together: int) -> int:
        """Chooses from `logits` [1 + draft, vocabulary] as far as they go: at one place, and behind every draft token
        that was right. Nothing is chosen where tokens that are known are not computed yet.

        The pass was over `together` tokens of this sequence. Returns how many draft tokens were right.
        """
        right = 0
        while self.computed == len(self.tokens):
            self.choose(logits[right])
            if self.ending is not None:
                break
            while right < len(draft) and self.forced[:1] == [draft[right]]:
                self.advance(1, together=together)
                right += 1
        if self._lookup is not None and draft:
            self._lookup.report(len(draft), right, len(self.tokens))
        return right

    def choose(self, logits: Logits) -> None:
        """Takes the next token from `logits` [vocabulary], and those that must follow; `ending` says if that is all."""
        if self._first_token is None:
            self._first_token = time.perf_counter()
        matcher = self._matcher
        if matcher is None or self._saying.in_preamble:
            self._say_freely(self._sampler.sample(logits), logits)
            return
        allowed = matcher.allowed()
        begin = self._beginning(allowed)
        if begin:
            allowed[begin[0]] = True
        token = self._sampler.sample(logits, allowed)
        if begin and token == begin[0]:
            self._say(token, logits)
            self._force(begin[1:])
            return
        matcher.consume(token)
        self._say(token, logits)
        self._jump(matcher)

    @property
    def _answering(self) -> bool:
        """What comes next is the answer's for certain."""
        return not (self._saying.in_preamble or self._saying.undecided)

    def _beginning(self, allowed: Allowed) -> tuple[int, ...]:
        """The tokens that begin a preamble, where one may begin now and the grammar does not let it through itself."""
        preamble = self._preamble
        if preamble is None or self.output_tokens or self._answering or allowed[preamble.begin_tokens[0]]:
            return ()
        return preamble.begin_tokens

    def _say_freely(self, token: int, logits: Logits) -> None:
        """Says a token that no grammar is asked about: of a preamble, or where there is no grammar.

        A preamble that took enough, or with which all would end, is closed, so that an answer follows.
        """
        preamble, was_inside = self._preamble, self._saying.in_preamble
        closed = was_inside and token in self._end_ids
        if not closed:
            self._say_uncrossed(token, logits)
            most = preamble.most_tokens if preamble is not None else None
            inside = self._saying.in_preamble
            closed = inside and (self._loops() or (most is not None and self._saying.preamble_tokens >= most))
        if preamble is not None and closed:
            self._force(preamble.end_tokens)
        elif preamble is not None and was_inside and self._matcher and not self._saying.in_preamble:
            self._force(preamble.joint_tokens)
        if self._saying.in_preamble or self.ending is not None:
            return
        if closed if preamble is not None and preamble.in_grammar else self._matcher:
            self._saying.begin_answer()
        if self._matcher:
            self._jump(self._matcher)

    def _say_uncrossed(self, token: int, logits: Logits) -> None:
        """Says a token; an answer that must match a grammar begins with one of its own, behind the preamble's mark."""
        data = self._tokenizer.bytes_of(token)
        beyond = self._saying.beyond_preamble(data) if self._matcher else 0
        if beyond:
            self._force(self._tokenizer.encode_text(data[:-beyond].decode(errors="ignore")))
        else:
            self._say(token, logits)

    def _force(self, tokens: SequenceOf[int]) -> None:
        """Says tokens that no grammar is asked about, as far as the answer may go."""
        for token in tokens:
            if self.ending is not None:
                break
            self._say_forced(token)

    def _jump(self, matcher: GrammarMatcher) -> None:
        """Says what the grammar leaves no choice of; log probabilities need every token computed."""
        follows = matcher.forced() if self.request.top_logprobs is None and not self._saying.in_preamble else []
        for forced in follows:
            if self.ending is not None or self._saying.in_preamble:
                break
            matcher.consume(forced)
            self._say_forced(forced)
        if self._saying.in_preamble:
            matcher.restart()  # what looked like an answer is none

    def _begin(self, matcher: GrammarMatcher) -> None:
        """Says what any answer must begin with, but for its last token, so that one is left to be chosen."""
        for forced in matcher.forced()[: self.max_output_tokens - 1]:
            if not matcher.consume_unless_last(forced):
                break
            self._say_forced(forced)

    def _say_forced(self, token: int) -> None:
        self._sampler.skip_draw(token)
        self._say(token, None)

    def _say(self, token: int, logits: Logits | None) -> None:
        self.tokens.append(token)
        if token in self._end_ids:
            self._saying.push_end(self._describe(token, logits))
            self.ending = "stop"
            return
        self._saying.push(self._describe(token, logits))
        if self._saying.stopped or (self._matcher and self._matcher.finished):
            self.ending = "stop"
        elif self.output_tokens >= self.max_output_tokens:
            self.ending = "length"
        elif not self._saying.in_preamble and (period := self._loops()):
            self.ending, self.repeated = "stop", period

    def _loops(self) -> int | None:
        """How many tokens it says over and over, where it may end; chance leads out of that by itself."""
        if self.request.sampling.temperature > 0:
            return None
        period = repeated(self.tokens, self.output_tokens)
        return period if period and (self._saying.in_preamble or self._may_end()) else None

    def _may_end(self) -> bool:
        """Whether the grammar, if there is one, takes the answer for a whole one: not amid a call, say."""
        if self._matcher is None:
            return True
        allowed = self._matcher.allowed()
        return any(bool(allowed[token]) for token in self._end_ids)

    def flush(self) -> None:
        """Delivers what was said since the last time."""
        if self.phase is not Phase.DONE and (said := self._saying.take()):
            self._deliver(said)

    def finish(self, reason: FinishReason) -> None:
        """Delivers the rest, the reason and the figures."""
        self.phase = Phase.DONE
        rest = self._saying.finish()
        kept = min(self.blocks * BLOCK_TOKENS, self.prompt_length)
        usage = Usage(
            self.prompt_length,
            self.cached_tokens,
            self.output_tokens,
            reasoning_tokens=self._saying.preamble_tokens,
            written_tokens=max(kept - self.cached_tokens, 0),
        )
        end = replace(rest, finish_reason=reason, usage=usage, timings=self.timings())
        if reason == "stop":
            end = replace(end, stop_sequence=self._saying.stopped, repeated=self.repeated)
        self._deliver(end)

    def fail(self, error: WindowsAiError) -> None:
        """Delivers the error; the stream ends with it."""
        self.phase = Phase.DONE
        self._deliver(error)

    def timings(self) -> Timings:
        """Where the time went so far."""
        now = time.perf_counter()
        started = self._started or now
        first = self._first_token or now
        return Timings(
            queue=1000 * (started - self.submitted),
            prefill=1000 * (first - started),
            decode=1000 * (now - first),
            total=1000 * (now - self.submitted),
            drafted=self._lookup.drafted if self._lookup else 0,
            accepted=self._lookup.accepted if self._lookup else 0,
        )

    def _describe(self, token: int, logits: Logits | None) -> ChosenToken:
        count = self.request.top_logprobs
        text = b"" if token in self._end_ids else self._tokenizer.bytes_of(token)
        if count is None or logits is None:
            return ChosenToken(token, text)
        logprobs = log_softmax(logits)
        alternatives = tuple(
            TokenLogprob(int(i), self._tokenizer.bytes_of(int(i)), float(logprobs[i]))
            for i in (likeliest(logprobs, count) if count else ())
        )
        return ChosenToken(token, text, float(logprobs[token]), alternatives)
