"""What the scheduler decides, asked step by step; and what the runner does when it is given one."""

from __future__ import annotations

import pytest

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.scheduler import Admission, DecodeBatch, DraftCheck, PrefillChunk, PrefixMatch
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
    steps = []
    for step in core.scheduler.steps():
        steps.append(step)
        core.execute(step)

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


def test_sequences_past_their_prompts_decode_in_one_step_before_a_prompt_is_read(
    core: EngineCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sequence, "draft", lambda _: [])
    three = decoding(core, 3)
    reading = submit(core, ()).sequence
    steps = []
    for step in core.scheduler.steps():
        steps.append(step)
        core.execute(step)

    assert steps[0] == Admission(reading)
    assert isinstance(steps[1], DecodeBatch)
    assert {id(sequence) for sequence in steps[1].sequences} == {id(sequence) for sequence in three}
    assert [type(step) for step in steps[2:]] == [PrefixMatch, PrefillChunk]


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
