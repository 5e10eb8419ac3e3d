"""In whose slot a prompt is read, where others need what it reads as well."""

from __future__ import annotations

import pytest

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.models.folder import ModelFolder
from tests.engine.prefixes import PREFIX, SHARED, read_all, start, submit


@pytest.fixture
def core(tiny_model: ModelFolder) -> EngineCore:
    """Reads sixteen tokens a step."""
    return start(tiny_model, prefill_chunk=16, prefill_seconds=0)


def admit(core: EngineCore) -> None:
    for step in core.scheduler.admissions():
        core.execute(step)


def test_agents_that_start_together_read_what_they_share_in_one_row(core: EngineCore) -> None:
    for n in range(6):
        submit(core, (n, n), tokens=40)
    while not any(sequence.computed >= SHARED for sequence in core.slots.sequences):
        core.step()
    assert sorted(sequence.computed for sequence in core.slots.sequences)[:5] == [0] * 5
    read_all(core)
    assert core.statistics().prefill_tokens == len(PREFIX) + 2 + 5 * (len(PREFIX) + 2 - SHARED)


def test_who_needs_it_pays_for_it(core: EngineCore) -> None:
    other = submit(core, (7,), tokens=40, prefix=PREFIX[::-1])
    clients = [submit(core, (n, n), tokens=40) for n in range(4)]
    while clients[0].sequence.computed < 80:
        core.step()
    paid = [core.scheduler.counters.served(client.sequence.agent) for client in clients]
    assert paid == [80 / 4] * 4
    assert core.scheduler.counters.served(other.sequence.agent) == other.sequence.computed > 0


def test_nobody_reads_for_one_who_goes_on_otherwise(core: EngineCore) -> None:
    first, other = submit(core, ()), submit(core, (), prefix=(*PREFIX[:40], *range(60)))
    admit(core)
    first.sequence.advance(16, together=16)
    assert core.scheduler.prefill_for(other.sequence) is first.sequence
    first.sequence.advance(16, together=16)
    assert core.scheduler.prefill_for(other.sequence) is other.sequence  # its next block would be another


def test_nobody_reads_for_one_who_needs_nothing_after_it(core: EngineCore) -> None:
    first, short = submit(core, ()), submit(core, (), prefix=PREFIX[:32])
    admit(core)
    first.sequence.advance(16, together=16)
    assert core.scheduler.prefill_for(short.sequence) is short.sequence  # its last token it must compute itself
    assert core.scheduler.prefill_for(first.sequence) is first.sequence


def test_for_a_seeded_request_only_what_was_prefilled_counts(core: EngineCore) -> None:
    first, seeded = submit(core, ()), submit(core, (), seed=1)
    admit(core)
    first.sequence.advance(16, together=16)
    assert core.scheduler.prefill_for(seeded.sequence) is first.sequence
    first.sequence.exact_length = 0  # as behind blocks that were decoded
    assert core.scheduler.prefill_for(seeded.sequence) is seeded.sequence
