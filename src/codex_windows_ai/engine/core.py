"""The engine's one loop, a round at a time: schedule, run, settle.

The core knows no threads; its clock only decides how much is done in a round. What a seeded request
is answered depends on the request alone. `engine.Engine` runs the core in a thread.
"""

from __future__ import annotations

from dataclasses import asdict

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.first_passes import rows_alike, warm_up
from codex_windows_ai.engine.kv.checkpoints import Checkpoints
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import PoolFactory
from codex_windows_ai.engine.kv.prefix_cache import PrefixCache
from codex_windows_ai.engine.kv.prefix_matching import PrefixMatcher
from codex_windows_ai.engine.kv.shared_prefix import SharedPrefixes
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.kv.state_matching import StateMatcher
from codex_windows_ai.engine.model import ConfigureSession, Logits, Model
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.runner import Runner
from codex_windows_ai.engine.scheduler import (
    Abilities,
    DecodeBatch,
    DraftCheck,
    PrefillChunk,
    Scheduler,
    Step,
    sequences_of,
)
from codex_windows_ai.engine.sequence import Deliver, Phase, Sequence
from codex_windows_ai.engine.statistics import Counters, Pauses
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.engine.validation import RequestValidator
from codex_windows_ai.errors import DeadlineExceededError, EngineError, WindowsAiError
from codex_windows_ai.hardware.inference import first_line
from codex_windows_ai.models.decoder_graph import DecoderGraph
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.answer import FinishReason
from codex_windows_ai.protocol.statistics import EngineStatistics


class EngineCore:
    """One model and all sequences on it, whose keys and values are where `make_pool` keeps them.

    Only `prepare` may be called from any thread.
    """

    def __init__(
        self,
        folder: ModelFolder,
        configuration: EngineConfiguration | None = None,
        *,
        configure_session: ConfigureSession | None = None,
        make_pool: PoolFactory = HostPool,
    ) -> None:
        self.configuration = configuration or EngineConfiguration()
        self.folder = folder
        self.model = Model(
            folder,
            threads=self.configuration.threads,
            configure_session=configure_session,
            half_precision=self.configuration.half_precision,
        )
        budgets = (self.configuration.row_bytes, self.configuration.cache_bytes, self.configuration.checkpoint_bytes)
        self.pool = make_pool(self.model.spec, *budgets)
        self.slots = Slots(self.pool)
        self.checkpoints = Checkpoints(self.pool)
        self.cache = PrefixCache(self.pool, self.checkpoints.drop)
        has_states = bool(self.model.spec.state_parts)
        self.prefixes = (
            StateMatcher(self.cache, self.slots, self.checkpoints, frozenset(folder.eos_token_ids))
            if has_states
            else PrefixMatcher(self.cache, self.slots)
        )
        shared_bytes = self.configuration.shared_bytes if self.model.shares_prefixes else 0
        self.shared = SharedPrefixes(self.pool, shared_bytes, self.configuration.shared_saving)
        self._counters = Counters()
        self._pauses = Pauses()
        on_cpu = self.model.computes_in_host_memory  # elsewhere no bits are promised
        alike = not on_cpu or rows_alike(self.model)
        abilities = Abilities(self.model.takes_pieces, rows_alike=alike, takes_drafts=not has_states)
        self.scheduler = Scheduler(self.configuration, self.slots, abilities)
        self.runner = Runner(self.model, self.pool, self.slots, self.prefixes, self.shared, self._counters)
        self.tokenizer = Tokenizer(folder.tokenizer_file, window=folder.context_length)
        self.validator = RequestValidator(
            folder,
            self.configuration,
            self.tokenizer,
            vocabulary_size=self.model.vocabulary_size,
            max_sequence_length=self.pool.max_sequence_length,
            has_states=has_states,
            # Else a token's bits depend on how many of its piece have the same experts.
            prefixes_alike=alike or not DecoderGraph(self.model.file).has_experts,
        )
        self._make_pool = make_pool

    def warm_up(self) -> None:
        """Makes first uses that the first prompt would wait for; nothing may run. Figures and prefix cache stay."""
        warm_up(self.model, self._make_pool)

    # Requests come in.

    def prepare(self, request: EngineRequest, deliver: Deliver) -> Sequence:
        """Checks a request and makes its sequence; nothing is computed yet. Any thread may call it.

        Raises InvalidRequestError, ContextLengthExceededError, InvalidGrammarError.
        """
        return self.validator.prepare(request, deliver)

    def enqueue(self, sequence: Sequence) -> None:
        """Puts a prepared sequence in its agent's queue.

        Raises EngineBusyError: the queue is full.
        """
        self.scheduler.enqueue(sequence)

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return not len(self.slots) and not len(self.scheduler.waiting)

    # A round.

    def step(self) -> None:
        """A round: decodes one pass for all that are past their prompts and prefills one bounded piece."""
        self.expire()
        for step in self.scheduler.steps():
            self.execute(step)

    def expire(self) -> None:
        """Ends the sequences whose deadline passed."""
        for sequence in self._alive():
            if sequence.expired:
                seconds = sequence.request.deadline
                self._end(sequence, DeadlineExceededError(f"The request's deadline of {seconds} s passed."))

    def execute(self, step: Step) -> None:
        """Runs a step and settles what came of it; if it fails, its sequences fail with it and the engine goes on."""
        try:
            logits = self.runner.run(step)
        except Exception as error:  # whatever the runtime raises must not end the others
            for sequence in sequences_of(step):
                self._end(sequence, _failure(error))
        else:
            if logits is not None:
                self._settle(step, logits)

    def _settle(self, step: Step, logits: Logits) -> None:
        """After a pass: chooses tokens from `logits` [sequences, positions, vocabulary] where prompts are read."""
        if isinstance(step, DecodeBatch):
            for sequence, of_sequence in zip(step.sequences, logits, strict=False):
                self._choose(sequence, of_sequence, (), 1)
            if step.piece:
                self._settle_chunk(step.piece, logits[-1:])
        elif isinstance(step, DraftCheck):
            self._choose(step.sequence, logits[0], step.draft, len(step.forced) + len(step.draft))
        elif isinstance(step, PrefillChunk):
            self._settle_chunk(step, logits)

    def _settle_chunk(self, chunk: PrefillChunk, logits: Logits) -> None:
        sequence = chunk.sequence
        self.scheduler.charge_chunk(chunk)
        if sequence.remaining:
            return
        self._counters.input_tokens += sequence.prompt_length
        self._counters.output_tokens += sequence.output_tokens
        self._counters.cached_tokens += sequence.cached_tokens
        self._choose(sequence, logits[0], (), 1)

    def _choose(self, sequence: Sequence, logits: Logits, draft: list[int] | tuple[()], together: int) -> None:
        """Has a sequence choose from `logits` [positions, vocabulary], delivers that, and ends it if that was all."""
        said = sequence.output_tokens
        try:
            right = sequence.accept(logits, draft, together=together)
        except Exception as error:  # a grammar that cannot go on must not end the others
            self._end(sequence, _failure(error))
            return
        if sequence.output_tokens > said:
            sequence.spoke_at = self._pauses.note(sequence.spoke_at)
        self._counters.output_tokens += sequence.output_tokens - said
        self.scheduler.counters.charge(sequence.agent, sequence.output_tokens - said)
        if draft:
            self._counters.drafted_tokens += len(draft)
            self._counters.accepted_tokens += right
            self.runner.keep(sequence)
        if sequence.ending is None:
            sequence.flush()
        else:
            self._end(sequence, sequence.ending)

    # Sequences end.

    def cancel(self, sequence: Sequence) -> None:
        """Ends a sequence before the next step; harmless if it has ended."""
        self._end(sequence, "cancelled")

    def fail_all(self, error: WindowsAiError) -> None:
        """Ends everything with an error."""
        for sequence in self._alive():
            self._end(sequence, error)

    def _alive(self) -> list[Sequence]:
        return [*self.scheduler.waiting, *self.slots.sequences]

    def _end(self, sequence: Sequence, ending: FinishReason | WindowsAiError) -> None:
        """The one place where a sequence ends: all that hold it let go, then its client is told."""
        if sequence.phase is Phase.DONE:
            return
        if sequence.phase is Phase.WAITING:
            self.scheduler.waiting.remove(sequence)
        else:
            self.runner.release(sequence)
        if isinstance(ending, WindowsAiError):
            self._counters.failed += 1
            sequence.fail(ending)
        else:
            self._counters.cancelled += ending == "cancelled"
            self._counters.finished += ending != "cancelled"
            sequence.finish(ending)
        self.scheduler.forget(sequence)

    def statistics(self) -> EngineStatistics:
        """The figures now."""
        return EngineStatistics(
            **asdict(self._counters),
            waiting=len(self.scheduler.waiting),
            running=len(self.slots),
            pause_p95=self._pauses.p95,
            forward_passes=self.model.forward_passes,
            weights_bytes=self.model.loaded_bytes,
            scratch_bytes=self.configuration.scratch_bytes,
            memory_bytes_budget=self.configuration.budget_bytes,
            row_bytes=self.pool.nbytes,
            row_bytes_budget=self.pool.budget_bytes,
            shared_bytes=self.shared.nbytes,
            shared_bytes_budget=self.configuration.shared_bytes,
            cache_blocks=self.cache.size,
            cache_bytes=self.cache.nbytes,
            cache_bytes_budget=self.configuration.cache_bytes,
            cache_evictions=self.cache.evictions,
            checkpoints=len(self.checkpoints),
            checkpoint_bytes=self.pool.checkpoint_nbytes,
            checkpoint_bytes_budget=self.configuration.checkpoint_bytes if self.pool.checkpoint_capacity else 0,
            checkpoint_evictions=self.checkpoints.evictions,
        )


def _failure(error: Exception) -> WindowsAiError:
    return (
        error if isinstance(error, WindowsAiError) else EngineError(f"The model failed in a step: {first_line(error)}")
    )
