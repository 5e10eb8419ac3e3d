"""What must hold after every step of an engine, whatever happened."""

from __future__ import annotations

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.checkpoints import GRID_TOKENS
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS
from codex_windows_ai.engine.kv.prefix_cache import Block
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sequence import Phase
from tests.engine.clients import Client


def check_invariants(core: EngineCore, clients: list[Client]) -> None:
    """What must hold after every step, whatever happened."""
    slots = core.slots
    taken = [sequence.slot for sequence in slots.sequences]
    assert taken == sorted(set(taken)), "two sequences share a slot"
    decoding = [sequence.slot for sequence in slots.decoding]
    assert decoding == list(range(decoding[0], decoding[0] + len(decoding))) if decoding else True
    for sequence in slots.sequences:
        assert sequence.phase is (Phase.DECODE if sequence in slots.decoding else Phase.PREFILL)
        assert sequence.exact_length <= sequence.computed <= len(sequence.tokens)
        assert sequence.blocks * BLOCK_TOKENS <= sequence.computed
        assert sequence.cached_tokens <= sequence.prompt_length
        assert sequence.attached in (0, len(core.shared.held or ())) and sequence.attached <= sequence.computed
        assert not (sequence.exact and sequence.attached)
    attached = [sequence for sequence in slots.sequences if sequence.attached]
    assert {id(sequence) for sequence in attached} == {id(sequence) for sequence in core.shared.attached}
    assert core.pool.nbytes <= core.configuration.row_bytes
    assert slots.sequences or core.pool.nbytes == 0
    assert core.shared.nbytes <= core.configuration.shared_bytes
    assert slots.sequences or core.shared.nbytes == 0
    assert core.cache.nbytes <= core.configuration.cache_bytes
    blocks = list(core.cache.blocks())
    check_checkpoints(core, blocks)
    assert len(blocks) == core.cache.size
    assert len({block.storage for block in blocks}) == len(blocks)
    held = [sequence.last_block for sequence in slots.sequences if sequence.last_block is not None]
    assert sum(block.references for block in blocks) == len(held)
    assert all(block in blocks for block in held)
    live = [client for client in clients if not client.ends]
    assert {id(client.sequence) for client in live} == {id(s) for s in [*slots.sequences, *core.scheduler.waiting]}


def run_to_the_end(core: EngineCore, clients: list[Client]) -> None:
    for _ in range(5000):
        if core.idle:
            break
        core.step()
        check_invariants(core, clients)
    assert core.idle, "the engine never came to rest"
    assert all(client.ends for client in clients)
    assert not any(block.references for block in core.cache.blocks())


def ask(core: EngineCore, request: EngineRequest) -> Client:
    """Has one request answered."""
    client = Client(core, request)
    run_to_the_end(core, [client])
    return client


def check_checkpoints(core: EngineCore, blocks: list[Block]) -> None:
    """Each hangs on a block of the cache, and knows what is before it; where there are states all read on one grid."""
    held = core.checkpoints.held
    assert {id(one) for one in held} == {id(block.checkpoint) for block in blocks if block.checkpoint is not None}
    assert len({one.storage for one in held}) == len(held) <= core.pool.checkpoint_capacity
    assert core.pool.checkpoint_nbytes <= core.configuration.checkpoint_bytes
    for one in held:
        path = path_of(one.block)
        assert one.length == sum(len(block.tokens) for block in path)
        before = [block.checkpoint for block in path[:-1] if block.checkpoint is not None]
        assert one.before is (before[-1] if before else None)
        assert not one.exact or (one.length % GRID_TOKENS == 0 and all(block.exact for block in path))
    if core.model.spec.state_parts:
        for sequence in core.slots.sequences:
            assert sequence.exact_length % GRID_TOKENS == 0
            if sequence.exact and sequence.phase is Phase.PREFILL:
                assert sequence.computed == sequence.exact_length
            if sequence.computed:
                assert core.pool.state_length(sequence.slot) == sequence.computed


def path_of(block: Block) -> list[Block]:
    """The blocks from the root to this one."""
    above = [] if block.parent is None else path_of(block.parent)
    return [*above, block]
