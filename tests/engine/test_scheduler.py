"""What the scheduler decides, asked step by step; and what the runner does when it is given one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.scheduler import (
    Abilities,
    Admission,
    DecodeBatch,
    DraftCheck,
    PrefillChunk,
    PrefixMatch,
    Step,
)
from codex_windows_ai.engine.sequence import Phase, Sequence
from codex_windows_ai.errors import EngineError
from codex_windows_ai.models.folder import ModelFolder
from tests.engine.clients import run
from tests.engine.prefixes import start, submit


@pytest.fixture
def core(tiny_model: ModelFolder) -> EngineCore:
    """Reads sixteen tokens a piece and one piece a round."""
    return start(tiny_model, prefill_chunk=16, prefill_seconds=0)


def decoding(core: EngineCore, count: int) -> list[Sequence]:
    """So many sequences past their prompts."""
    clients = [submit(core, (n,), prefix=(), tokens=40) for n in range(count)]
    while len(core.slots.decoding) < count:
        core.step()
    return [client.sequence for client in clients]


def test_a_round_admits_then_matches_then_reads_a_piece(core: EngineCore) -> None:
    first, second = submit(core, ()).sequence, submit(core, (1,)).sequence
    steps = steps_of(core)

    assert steps == [Admission(first), Admission(second), PrefixMatch(first), PrefillChunk(first, 16, first.agent)]
    assert (first.computed, second.computed) == (16, 0)


def test_nothing_changes_until_a_step_is_executed(core: EngineCore) -> None:
    sequence = submit(core, ()).sequence
    step = next(core.scheduler.steps())

    assert step == Admission(sequence)
    assert sequence.phase is Phase.WAITING
    assert core.runner.run(step) is None
    assert sequence.phase is Phase.PREFILL
    run(core)


def steps_of(core: EngineCore) -> list[Step]:
    """The steps of a round, executed."""
    steps = []
    for step in core.scheduler.steps():
        steps.append(step)
        core.execute(step)
    return steps


def test_a_piece_of_a_prompt_is_read_in_the_pass_of_those_that_decode(
    core: EngineCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sequence, "draft", lambda _: [])
    three = decoding(core, 3)
    reading = submit(core, ()).sequence
    before, said = core.statistics(), [len(sequence.tokens) for sequence in three]
    admission, match, decode = steps_of(core)

    assert (admission, match) == (Admission(reading), PrefixMatch(reading))
    assert isinstance(decode, DecodeBatch)
    assert {id(sequence) for sequence in decode.sequences} == {id(sequence) for sequence in three}
    assert decode.piece == PrefillChunk(reading, 16, reading.agent)
    after = core.statistics()
    assert after.forward_passes == before.forward_passes + 1
    assert after.mixed_passes == before.mixed_passes + 1
    assert [len(sequence.tokens) for sequence in three] == [length + 1 for length in said]
    assert reading.computed == 16


def test_a_prompts_last_piece_brings_its_first_token_and_it_decodes_from_the_next_round_on(
    core: EngineCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sequence, "draft", lambda _: [])
    decoding(core, 2)
    reading = submit(core, (1, 2, 3), prefix=()).sequence
    steps_of(core)

    assert reading.output_tokens == 1
    assert core.slots.decoding.count(reading) == 1
    (decode,) = steps_of(core)
    assert isinstance(decode, DecodeBatch)
    assert len(decode.sequences) == 3


def test_a_model_that_takes_no_pieces_reads_them_in_passes_of_their_own(
    tiny_model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sequence, "draft", lambda _: [])
    core = start(replace(tiny_model, cpu_model_file=tiny_model.model_file), prefill_chunk=16, prefill_seconds=0)
    decoding(core, 3)
    submit(core, ())
    assert [type(step) for step in steps_of(core)] == [Admission, DecodeBatch, PrefixMatch, PrefillChunk]


def test_where_a_batch_would_change_the_bits_a_seeded_sequence_decodes_alone(
    core: EngineCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sequence, "draft", lambda _: [])
    monkeypatch.setattr(core.scheduler, "_abilities", Abilities(takes_pieces=True, rows_alike=False))
    clients = [submit(core, (n,), seed, prefix=(), tokens=40) for n, seed in enumerate((None, None, 1, 1, None))]
    while len(core.slots.decoding) < len(clients):
        core.step()
    submit(core, ())
    batches = [step for step in steps_of(core) if isinstance(step, DecodeBatch)]

    seeds = [[sequence.exact for sequence in batch.sequences] for batch in batches]
    assert sorted(map(len, seeds)) == [1, 1, 1, 2] and sum(map(sum, seeds)) == 2
    assert all(exact == [True] or not any(exact) for exact in seeds)
    assert not any(batch.piece for batch in batches if any(one.exact for one in batch.sequences))


def test_one_that_ends_in_a_pass_of_its_own_leaves_the_others_side_by_side(
    core: EngineCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sequence, "draft", lambda _: [])
    monkeypatch.setattr(core.scheduler, "_abilities", Abilities(takes_pieces=True, rows_alike=False))
    clients = [submit(core, (n,), seed, prefix=(), tokens=40) for n, seed in enumerate((None, 1, None, None))]
    while len(core.slots.decoding) < len(clients):
        core.step()
    seeded = next(sequence for sequence in core.slots.decoding if sequence.exact)
    seeded.max_output_tokens = seeded.output_tokens + 1  # the next pass ends it, and its slot is another's
    decoded = []
    for step in core.scheduler.steps():
        assert isinstance(step, DecodeBatch)
        first = step.sequences[0].slot
        assert [sequence.slot for sequence in step.sequences] == [*range(first, first + len(step.sequences))]
        decoded += step.sequences
        core.execute(step)

    assert seeded.phase is Phase.DONE
    assert sorted(map(id, decoded)) == sorted(id(client.sequence) for client in clients)


def test_draft_tokens_are_checked_in_a_step_of_their_own(core: EngineCore, monkeypatch: pytest.MonkeyPatch) -> None:
    (sequence,) = decoding(core, 1)
    monkeypatch.setattr(sequence, "draft", lambda: [7, 8])
    step = next(core.scheduler.steps())

    assert step == DraftCheck(sequence, sequence.tokens[-1:], [7, 8])
    logits = core.runner.run(step)
    assert logits is not None
    assert logits.shape == (1, 3, core.model.vocabulary_size)
    assert sequence.computed == len(sequence.tokens)  # what was drafted counts once it proved right


def test_a_step_that_fails_ends_its_sequences_in_one_place(core: EngineCore, monkeypatch: pytest.MonkeyPatch) -> None:
    client, other = submit(core, ()), submit(core, (1,))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(core.model, "forward", broken)
    core.step()
    monkeypatch.undo()

    assert isinstance(client.error, EngineError)
    assert client.sequence.phase is Phase.DONE
    assert client.sequence.last_block is None
    assert client.sequence not in core.slots.sequences
    assert core.scheduler.counters.present == {other.sequence.agent}
    run(core)
    assert other.ends == 1
    assert core.scheduler.counters.present == set()
