"""The engine's one loop, a step at a time: admit, decode everybody, prefill a little.

A step decodes one token (or several guessed ones) for every sequence that is past its prompt, then
prefills a bounded piece of one prompt, so that a long prompt never freezes the others.

The core knows no threads; its clock only decides how much is done in a step. What a seeded request
is answered depends on the request alone. `engine.Engine` runs the core in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.fair_queue import TokenCounters, WaitingQueue
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.prefix_cache import BLOCK_TOKENS, PrefixCache
from codex_windows_ai.engine.kv.prefix_matching import PrefixMatcher
from codex_windows_ai.engine.kv.shared_prefix import SharedPrefixes
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.model import ConfigureSession, Logits, Model
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sequence import Deliver, Phase, Sequence
from codex_windows_ai.engine.token_budget import PrefillBudget
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.engine.validation import RequestValidator
from codex_windows_ai.errors import (
    DeadlineExceededError,
    EngineBusyError,
    EngineError,
    WindowsAiError,
)
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.answer import FinishReason
from codex_windows_ai.protocol.statistics import EngineStatistics

_MANY_KNOWN = 8  # as many known tokens are computed in a pass of their own though others decode: it ends sooner for all


class EngineCore:
    """One model and all sequences on it. Only `prepare` may be called from any thread."""

    def __init__(
        self,
        folder: ModelFolder,
        configuration: EngineConfiguration | None = None,
        *,
        configure_session: ConfigureSession | None = None,
    ) -> None:
        self.configuration = configuration or EngineConfiguration()
        self.folder = folder
        self.model = Model(
            folder.cpu_model_file if configure_session is None else folder.model_file,
            heads=folder.heads,
            threads=self.configuration.threads,
            configure_session=configure_session,
        )
        self.rows = HostPool(self.model.shape, self.configuration.row_bytes)
        self.cache = PrefixCache(self.model.shape, self.configuration.cache_bytes)
        self.batch = Slots(self.rows)
        self._prefixes = PrefixMatcher(self.cache, self.batch)
        self.shared = SharedPrefixes(
            self.rows,
            self.configuration.shared_bytes if self.model.shares_prefixes else 0,
            self.configuration.shared_saving,
            forget=self.model.forget_prefix,
        )
        self.counters = TokenCounters()
        self._pacer = PrefillBudget(self.configuration.prefill_chunk, self.configuration.prefill_seconds)
        self.waiting: WaitingQueue[Sequence] = WaitingQueue(self.configuration.queue_limit)
        self.tokenizer = Tokenizer(folder.tokenizer_file)
        self._validator = RequestValidator(
            folder,
            self.configuration,
            self.tokenizer,
            vocabulary_size=self.model.vocabulary_size,
            max_sequence_length=self.rows.max_sequence_length,
        )
        self._finished = self._failed = self._cancelled = 0
        self._decode_passes = self._shared_passes = self._decode_rows = self._output_tokens = 0
        self._prefill_tokens = self._input_tokens = self._cached_tokens = self._lent_tokens = 0
        self._drafted = self._accepted = 0

    # Requests come in.

    def prepare(self, request: EngineRequest, deliver: Deliver) -> Sequence:
        """Checks a request and makes its sequence; nothing is computed yet. Any thread may call it.

        Raises InvalidRequestError, ContextLengthExceededError, InvalidGrammarError.
        """
        return self._validator.prepare(request, deliver)

    def enqueue(self, sequence: Sequence) -> None:
        """Puts a prepared sequence in its agent's queue.

        Raises EngineBusyError: the queue is full.
        """
        if self.waiting.full:
            raise self.busy_error()
        self.counters.arrive(sequence.agent)
        self.waiting.append(sequence)

    def busy_error(self) -> EngineBusyError:
        """The error for a full queue, with a wait in proportion to what is queued."""
        return EngineBusyError(
            f"{len(self.waiting)} requests are waiting already, which is the limit.",
            retry_after=max(1.0, 0.5 * len(self.waiting) / self.configuration.max_sequences),
        )

    def cancel(self, sequence: Sequence) -> None:
        """Ends a sequence before the next step; harmless if it has ended."""
        if sequence.phase is Phase.WAITING:
            self.waiting.remove(sequence)
            self._close(sequence, "cancelled")
        elif sequence.phase is not Phase.DONE:
            self._drop(sequence)
            self._close(sequence, "cancelled")

    def fail_all(self, error: WindowsAiError) -> None:
        """Ends everything with an error."""
        for sequence in [*self.waiting, *self.batch.sequences]:
            self._fail(sequence, error)

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return not len(self.batch) and not len(self.waiting)

    # A step.

    def step(self) -> None:
        """Decodes one pass for all that are past their prompts and prefills one bounded piece."""
        self._expire()
        self._admit()
        if decoding := self.batch.decoding:
            started = time.perf_counter()
            self._decode(decoding)
            self._pacer.decoded(time.perf_counter() - started)
        self._prefill()

    def _expire(self) -> None:
        for sequence in [*self.waiting, *self.batch.sequences]:
            if sequence.expired:
                seconds = sequence.request.deadline
                self._fail(sequence, DeadlineExceededError(f"The request's deadline of {seconds} s passed."))

    def _admit(self) -> None:
        while len(self.batch) < self.configuration.max_sequences:
            sequence = self.counters.choose(self._admissible())
            if sequence is None or not self.batch.has_room_for(sequence):
                return
            self.waiting.remove(sequence)
            with self._failing(sequence):
                self.batch.add(sequence)

    def _admissible(self) -> list[Sequence]:
        """The first of each agent's queue. The last free row is for an agent that has none."""
        heads = self.waiting.heads()
        if len(self.batch) + 1 < self.configuration.max_sequences:
            return heads
        running = {sequence.agent for sequence in self.batch.sequences}
        return [sequence for sequence in heads if sequence.agent not in running]

    def _decode(self, sequences: list[Sequence]) -> None:
        alone = [(sequence, draft) for sequence in sequences if (draft := self._draft(sequence, sequences)) is not None]
        for sequence, draft in alone:
            with self._failing(sequence):
                self._decode_alone(sequence, draft)
        if len(alone) < len(sequences):
            together = self.batch.decoding
            with self._failing(*together):
                self._decode_batch(together)

    def _draft(self, sequence: Sequence, sequences: list[Sequence]) -> list[int] | None:
        """The guesses to compute with what the sequence knows in a pass of its own; None if it has none."""
        if len(sequences) <= self.configuration.speculating_sequences:
            draft = sequence.draft()
            return draft if len(sequence.known) + len(draft) > 1 else None
        # With many sequences one pass for all costs less than passes for each.
        return [] if len(sequence.known) >= _MANY_KNOWN and not sequence.borrowed else None

    def _decode_batch(self, sequences: list[Sequence]) -> None:
        past = [sequence.computed for sequence in sequences]
        self.batch.reserve(max(past) + 1)
        tokens = np.array([[sequence.tokens[sequence.computed]] for sequence in sequences], dtype=np.int64)
        prefix = self.shared.of(sequences)
        logits = self.model.forward(self.rows, sequences[0].row, tokens, past, prefix=prefix)
        self._decode_passes += 1
        self._decode_rows += len(sequences)
        self._shared_passes += prefix is not None
        for sequence in sequences:  # all of them first: a row that moves takes its computed tokens along
            sequence.advance(1, together=1)
        for sequence, row in zip(sequences, logits, strict=True):
            if sequence.computed == len(sequence.tokens):
                self._take(sequence, row[0])
                self._settle(sequence)

    def _decode_alone(self, sequence: Sequence, draft: list[int]) -> None:
        """One pass over what is known and the guesses behind it; keeps them as long as they are right."""
        self.shared.complete(sequence)
        known = sequence.known
        new = [*known, *draft]
        self.batch.reserve(sequence.computed + len(new))
        tokens = np.array([new], dtype=np.int64)
        logits = self.model.forward(self.rows, sequence.row, tokens, [sequence.computed], keep=len(draft) + 1)[0]
        self._decode_passes += 1
        self._decode_rows += 1
        sequence.advance(len(known), together=len(new))
        right = 0
        while sequence.computed == len(sequence.tokens):
            self._take(sequence, logits[right])
            if sequence.phase is Phase.DONE:  # it failed
                return
            if sequence.ending is not None:
                break
            while right < len(draft) and sequence.known[:1] == [draft[right]]:
                sequence.advance(1, together=len(new))
                right += 1
        sequence.report(len(draft), right)
        self._drafted += len(draft)
        self._accepted += right
        self._settle(sequence)

    def _take(self, sequence: Sequence, logits: Logits) -> None:
        """Chooses the next token from `logits` [vocabulary]."""
        self._prefixes.give(sequence)
        with self._failing(sequence):
            said = sequence.output_tokens
            sequence.choose(logits)
            self._output_tokens += sequence.output_tokens - said
            self.counters.charge(sequence.agent, sequence.output_tokens - said)

    def _settle(self, sequence: Sequence) -> None:
        """After a pass: delivers what it brought, and lets the sequence go if that was the end."""
        if sequence.phase is Phase.DONE:  # it failed
            return
        if sequence.ending is None:
            sequence.flush()
        else:
            self._drop(sequence)
            self._close(sequence, sequence.ending)

    def _prefill(self) -> None:
        started = time.perf_counter()
        seconds = self._pacer.seconds
        while self._pacer.fits(seconds) and (sequence := self._next_to_prefill()):
            reader = self._reader_for(sequence)
            with self._failing(reader):
                self._prefill_chunk(reader, seconds, for_agent=sequence.agent)
            seconds = self._pacer.seconds - (time.perf_counter() - started)

    def _next_to_prefill(self) -> Sequence | None:
        """Whose prompt is read next."""
        ready = self.batch.prefilling
        if decoding := self.batch.decoding:
            longest = max(sequence.prompt_length for sequence in decoding)
            ready = [sequence for sequence in ready if not self._pacer.must_yield(sequence.remaining, longest)]
        return self.counters.choose(ready)

    def _reader_for(self, sequence: Sequence) -> Sequence:
        """Whose row reads on where this sequence does: of those whose next block it needs, too, who is farthest.

        The block comes to it through the cache, so that agents that start together read in one row and not in all.
        """
        reader = sequence
        for other in self.batch.prefilling:
            end = other.computed + BLOCK_TOKENS
            if (
                other.computed > reader.computed
                and end < sequence.prompt_length
                and other.begins_with(sequence.tokens[:end])
                and (other.exact_length == other.computed or not sequence.exact)
            ):
                reader = other
        return reader

    def _prefill_chunk(self, sequence: Sequence, seconds: float, *, for_agent: str) -> None:
        sequence.start()
        # Room for the whole prompt and a first piece of the answer at once: growing copies every row.
        self.batch.reserve(min(sequence.longest, sequence.given_length + HostPool.LENGTH_STEP))
        if not sequence.computed:
            self._borrow(sequence)
        self._prefixes.take(sequence)
        started = time.perf_counter()
        remaining, past = sequence.remaining, sequence.computed
        chunk = sequence.next_chunk(self._pacer.piece(sequence.seconds_per_token, seconds, remaining))
        tokens = np.array([sequence.tokens[past : past + chunk]], dtype=np.int64)
        logits = self._read(sequence, tokens)
        sequence.advance(chunk, together=chunk)
        took = time.perf_counter() - started
        sequence.seconds_per_token = took / chunk
        self._pacer.prefilled(took, remaining)
        self._prefill_tokens += chunk
        self._charge_for_reading(sequence, chunk, for_agent)
        self._prefixes.give(sequence)
        if not sequence.remaining:
            self._input_tokens += sequence.prompt_length
            self._output_tokens += sequence.output_tokens
            self._cached_tokens += sequence.cached_tokens
            self.batch.start_decoding(sequence)
            self._take(sequence, logits[0, 0])
            self._settle(sequence)

    def _charge_for_reading(self, sequence: Sequence, tokens: int, for_agent: str) -> None:
        """Those who wait for the same tokens share what reading them costs."""
        read = sequence.tokens[: sequence.computed]
        agents = {for_agent, *(one.agent for one in self.batch.prefilling if one.begins_with(read))}
        for agent in agents:
            self.counters.charge(agent, tokens / len(agents))

    def _borrow(self, sequence: Sequence) -> None:
        """What all that run begin with need not be copied into the sequence's row, if it is cached."""
        if len(self.batch) > 1 and (cached := self._prefixes.cached(sequence)):
            prefix = self.shared.lend(sequence, self.batch.sequences, cached)
            if prefix is not None:
                self._prefixes.pass_over(sequence, len(prefix), exact=prefix.exact_length)
                self._lent_tokens += len(prefix)

    def _read(self, sequence: Sequence, tokens: npt.NDArray[np.int64]) -> Logits:
        """A pass over the next `tokens` [1, new] of a prompt."""
        past = sequence.computed
        if not sequence.borrowed:
            return self.model.forward(self.rows, sequence.row, tokens, [past])
        reading = self.shared.reading_row()
        logits = self.model.forward(reading.load(sequence, self.rows), 0, tokens, [past])
        reading.store(sequence, range(past, past + tokens.shape[1]), self.rows)
        return logits

    # Sequences leave.

    @contextmanager
    def _failing(self, *sequences: Sequence) -> Generator[None]:
        """If a pass fails, the sequences it was for fail with it and the engine goes on."""
        try:
            yield
        except Exception as error:  # whatever the runtime raises must not end the others
            failure = (
                error if isinstance(error, WindowsAiError) else EngineError(f"The model failed in a step: {error}")
            )
            for sequence in sequences:
                if sequence.phase is not Phase.DONE:
                    self._fail(sequence, failure)

    def _fail(self, sequence: Sequence, error: WindowsAiError) -> None:
        if sequence.phase is Phase.WAITING:
            self.waiting.remove(sequence)
        else:
            self._drop(sequence)
        self._failed += 1
        sequence.fail(error)
        self._leave(sequence)

    def _close(self, sequence: Sequence, reason: FinishReason) -> None:
        if reason == "cancelled":
            self._cancelled += 1
        else:
            self._finished += 1
        sequence.finish(reason)
        self._leave(sequence)

    def _leave(self, sequence: Sequence) -> None:
        if not any(other.agent == sequence.agent for other in [*self.waiting, *self.batch.sequences]):
            self.counters.leave(sequence.agent)

    def _drop(self, sequence: Sequence) -> None:
        self._prefixes.leave(sequence)
        self.shared.leave(sequence)
        self.batch.remove(sequence)
        if not len(self.batch):
            self.shared.release()

    def statistics(self) -> EngineStatistics:
        """The figures now."""
        return EngineStatistics(
            waiting=len(self.waiting),
            running=len(self.batch),
            finished=self._finished,
            failed=self._failed,
            cancelled=self._cancelled,
            forward_passes=self.model.forward_passes,
            decode_passes=self._decode_passes,
            shared_passes=self._shared_passes,
            decode_rows=self._decode_rows,
            output_tokens=self._output_tokens,
            prefill_tokens=self._prefill_tokens,
            input_tokens=self._input_tokens,
            cached_tokens=self._cached_tokens,
            lent_tokens=self._lent_tokens,
            drafted_tokens=self._drafted,
            accepted_tokens=self._accepted,
            row_bytes=self.rows.nbytes,
            row_bytes_budget=self.rows.budget_bytes,
            shared_bytes=self.shared.nbytes,
            shared_bytes_budget=self.configuration.shared_bytes,
            cache_blocks=self.cache.size,
            cache_bytes=self.cache.nbytes,
            cache_bytes_budget=self.configuration.cache_bytes,
            cache_evictions=self.cache.evictions,
        )
