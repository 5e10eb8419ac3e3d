"""Who runs next, on what and how much of it: the steps of one round, each decided when it is due.

A round admits what there is room for, decodes one token (or several drafted ones) for every sequence that is past
its prompt, and reads a bounded piece of one prompt, so that a long prompt never freezes the others. Where the model
can, both are one pass, which reads the weights once.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.fair_queue import TokenCounters, WaitingQueue
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.sequence import Phase, Sequence
from codex_windows_ai.engine.token_budget import PrefillBudget
from codex_windows_ai.errors import EngineBusyError

_MANY_FORCED = 8
"""So many forced tokens are computed in a pass of their own though others decode: it ends sooner for all."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A sequence gets a slot."""

    sequence: Sequence


@dataclass(frozen=True, slots=True)
class PrefixMatch:
    """What others computed of a prompt is copied to its slot, or attached to it."""

    sequence: Sequence


@dataclass(frozen=True, slots=True)
class PrefillChunk:
    """A pass over the next `tokens` of a prompt; `agent` waits for them."""

    sequence: Sequence
    tokens: int
    agent: str


@dataclass(frozen=True, slots=True)
class DecodeBatch:
    """A pass over the next token of each of these sequences, whose slots are neighbours, and over a `piece` beside."""

    sequences: list[Sequence]
    piece: PrefillChunk | None = None


@dataclass(frozen=True, slots=True)
class DraftCheck:
    """A pass over the tokens of one sequence that are `forced`, and the `draft` behind them."""

    sequence: Sequence
    forced: list[int]
    draft: list[int]


Step = Admission | PrefixMatch | PrefillChunk | DecodeBatch | DraftCheck
"""What the runner does at once. It fails as a whole: with it all its sequences."""


def sequences_of(step: Step) -> list[Sequence]:
    """The sequences that a step is for."""
    if not isinstance(step, DecodeBatch):
        return [step.sequence]
    return step.sequences + ([step.piece.sequence] if step.piece else [])


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do in one pass."""

    takes_pieces: bool
    """Read a piece of a prompt beside those that decode."""
    rows_alike: bool
    """Decode one sequence alone to the bits that it gets in a batch."""
    takes_drafts: bool = True
    """Forget draft tokens that were wrong; recurrent states do not."""


class Scheduler:
    """Queue, fairness and token budget. It reads `slots` and leaves them alone; `abilities` are the model's."""

    def __init__(self, configuration: EngineConfiguration, slots: Slots, abilities: Abilities) -> None:
        self._configuration = configuration
        self._slots = slots
        self._abilities = abilities
        self.counters = TokenCounters()
        self.waiting: WaitingQueue[Sequence] = WaitingQueue(configuration.queue_limit)
        self._budget = PrefillBudget(configuration.prefill_chunk, configuration.prefill_seconds)

    # Requests come and go.

    def enqueue(self, sequence: Sequence) -> None:
        """Puts a sequence in its agent's queue.

        Raises EngineBusyError: the queue is full.
        """
        if self.waiting.full:
            raise self.busy_error()
        self.counters.arrive(sequence.agent)
        self.waiting.append(sequence)

    def busy_error(self, arriving: int = 0) -> EngineBusyError:
        """The error for a full queue, with a wait in proportion to what is queued, and is `arriving` there."""
        waiting = len(self.waiting) + arriving
        return EngineBusyError(
            f"{waiting} requests are waiting already; the limit is {self.waiting.limit}.",
            retry_after=max(1.0, 0.5 * waiting / self._configuration.max_sequences),
        )

    def forget(self, sequence: Sequence) -> None:
        """The sequence ended: its agent may have no work any more."""
        if not any(other.agent == sequence.agent for other in [*self.waiting, *self._slots.sequences]):
            self.counters.leave(sequence.agent)

    # A round.

    def steps(self) -> Iterator[Step]:
        """The steps of one round; each is decided once the one before has been executed."""
        yield from self.admissions()
        spent = 0.0
        if decoding := self._slots.decoding:
            started = time.perf_counter()
            for step in self._decode(decoding):
                yield step
                if isinstance(step, DecodeBatch) and step.piece:
                    spent = step.piece.sequence.seconds_per_token * step.piece.tokens
            self._budget.decoded(time.perf_counter() - started - spent)
        yield from self.prefills(spent)

    def admissions(self) -> Iterator[Admission]:
        """Those that get a slot now."""
        while len(self._slots) < self._configuration.max_sequences:
            sequence = self.counters.choose(self._admissible())
            if sequence is None or not self._slots.has_room_for(sequence):
                return
            self.waiting.remove(sequence)
            yield Admission(sequence)

    def _admissible(self) -> list[Sequence]:
        """The first of each agent's queue. The last free slot is for an agent that has none."""
        heads = self.waiting.heads()
        if len(self._slots) + 1 < self._configuration.max_sequences:
            return heads
        running = {sequence.agent for sequence in self._slots.sequences}
        return [sequence for sequence in heads if sequence.agent not in running]

    def _decode(self, sequences: list[Sequence]) -> Iterator[Step]:
        checks = [check for sequence in sequences if (check := self._draft_check(sequence, len(sequences)))]
        yield from checks
        if len(checks) == len(sequences):
            return
        for batch, is_last in self._batches(self._slots.decoding):
            piece = (yield from self._piece_beside(batch)) if is_last else None
            yield DecodeBatch(batch, piece)

    def _batches(self, sequences: list[Sequence]) -> Iterator[tuple[list[Sequence], bool]]:
        """The sequences of each pass, and whether it is the last: all in one, unless that changed bits that count.

        Then seeded ones decode alone. When a sequence ends, others move to its slot, so each batch is found when it is
        due.
        """
        alike = self._abilities.rows_alike
        while sequences := [one for one in self._slots.decoding if one in sequences]:
            batch = sequences[:1]
            for one in sequences[1:]:
                if one.slot != batch[-1].slot + 1 or (not alike and (one.exact or batch[0].exact)):
                    break
                batch.append(one)
            sequences = sequences[len(batch) :]
            yield batch, not sequences

    def _piece_beside(self, sequences: list[Sequence]) -> Generator[PrefixMatch, None, PrefillChunk | None]:
        """What precedes the piece of a prompt that is read in the pass of those sequences; returns that, if any."""
        waiting = self._next_to_prefill() if self._abilities.takes_pieces else None
        if waiting is None:
            return None
        sequence = self.prefill_for(waiting)
        if not self._abilities.rows_alike and any(one.exact for one in (*sequences, sequence)):
            return None
        return (yield from self._piece(sequence, waiting.agent, self._budget.seconds(alone=False), alone=False))

    def _draft_check(self, sequence: Sequence, decoding: int) -> DraftCheck | None:
        """A pass of its own for a sequence that has several tokens to be computed at once."""
        if decoding <= self._configuration.speculating_sequences:
            draft, forced = sequence.draft() if self._abilities.takes_drafts else [], sequence.forced
            return DraftCheck(sequence, forced, draft) if len(forced) + len(draft) > 1 else None
        # With many sequences one pass for all costs less than passes for each.
        if len(sequence.forced) >= _MANY_FORCED and not sequence.attached:
            return DraftCheck(sequence, sequence.forced, [])
        return None

    def prefills(self, spent: float = 0.0) -> Iterator[PrefixMatch | PrefillChunk]:
        """Pieces of prompts, as long as the round, which `spent` so many seconds on them, has time for them."""
        started, alone = time.perf_counter() - spent, not self._slots.decoding
        whole = self._budget.seconds(alone=alone)
        seconds = whole - spent
        while self._budget.fits(seconds, alone=alone) and (waiting := self._next_to_prefill()):
            if piece := (yield from self._piece(self.prefill_for(waiting), waiting.agent, seconds, alone=alone)):
                yield piece
            seconds = whole - (time.perf_counter() - started)

    def _piece(
        self, sequence: Sequence, agent: str, seconds: float, *, alone: bool
    ) -> Generator[PrefixMatch, None, PrefillChunk | None]:
        """What precedes the next piece of a prompt; returns that, or None where the sequence failed meanwhile."""
        yield PrefixMatch(sequence)
        if sequence.phase is not Phase.PREFILL:
            return None
        budget = self._budget.tokens(sequence.seconds_per_token, seconds, sequence.remaining, alone=alone)
        tokens = sequence.next_chunk(self._bounded(budget, sequence.computed))
        if sequence.on_grid:  # whatever the budget
            tokens = min(tokens, max(self._bounded(tokens, sequence.computed), PrefillBudget.SMALLEST_PIECE))
        return PrefillChunk(sequence, tokens, agent)

    def _bounded(self, tokens: int, behind: int) -> int:
        """As many of these tokens as a pass has memory for, behind so many."""
        pairs = self._configuration.prefill_pairs
        return min(tokens, pairs // (behind + tokens)) if pairs else tokens

    def _next_to_prefill(self) -> Sequence | None:
        """The sequence whose prompt is read next."""
        ready = self._slots.prefilling
        if decoding := self._slots.decoding:
            longest = max(sequence.prompt_length for sequence in decoding)
            ready = [sequence for sequence in ready if not self._budget.must_yield(sequence.remaining, longest)]
        return self.counters.choose(ready)

    def prefill_for(self, sequence: Sequence) -> Sequence:
        """The sequence in whose slot this prompt is read on: of those whose next block it needs, too, the farthest.

        The block, or with recurrent states the piece, comes to it through the cache, so that agents that start
        together read in one slot and not in all.
        """
        reader = sequence
        for other in self._slots.prefilling:
            end = other.next_handover
            if (
                other.computed > reader.computed
                and end < sequence.prompt_length
                and other.begins_with(sequence.tokens[:end])
                and (other.exact_length == other.computed or not sequence.exact)
            ):
                reader = other
        return reader

    # A step was executed.

    def charge_chunk(self, chunk: PrefillChunk) -> None:
        """A piece was read: those who wait for the same tokens share what reading them costs."""
        sequence = chunk.sequence
        self._budget.prefilled(sequence.seconds_per_token, chunk.tokens, sequence.remaining + chunk.tokens)
        read = sequence.tokens[: sequence.computed]
        others = {other.agent for other in self._slots.prefilling if other.begins_with(read)}
        agents = {chunk.agent, sequence.agent, *others}
        for agent in agents:
            self.counters.charge(agent, chunk.tokens / len(agents))
