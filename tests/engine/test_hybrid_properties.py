"""Hybrids against the naive oracle: conversations that go on, branch and drop what was thought, under small budgets."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.checkpoints import GRID_TOKENS, Checkpoint
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sampling.sampler import log_softmax
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.protocol.request import SamplingParameters
from tests.engine.clients import Client, chosen_in
from tests.engine.invariants import ask, check_invariants, path_of, run_to_the_end
from tests.engine.oracle import Oracle
from tests.engine.tiny_hybrid import FIRST_BYTE, TURN_END, Kind, make_tiny_hybrid

TEXT = tuple(int(token) for token in np.random.default_rng(5).integers(FIRST_BYTE, FIRST_BYTE + 256, 2000))
ASKS = (TURN_END, FIRST_BYTE + 10, FIRST_BYTE + 11, FIRST_BYTE + 12)
"""The end of a turn, and how the answer to it begins."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelFolder]:
    """By how they multiply. In 4 bits a sequence decodes alone to other bits than in a batch on some processors."""
    return {
        "float": make_tiny_hybrid(tmp_path_factory.mktemp("float"), precision=Precision.FLOAT),
        "blocks of 4 bits": make_tiny_hybrid(tmp_path_factory.mktemp("four"), kind=Kind.Q4_0),
    }


@functools.cache
def oracle_core(folder: ModelFolder) -> EngineCore:
    return EngineCore(folder, EngineConfiguration(threads=1))


def text(start: int, tokens: int) -> tuple[int, ...]:
    return TEXT[start : start + tokens]


@dataclass
class Turn:
    """A request of a conversation, which goes on from `origin`, an earlier one, if there is one."""

    origin: int | None
    dropped: int
    """Tokens of the answer before it that are left out: what was thought."""
    new: tuple[int, ...]
    seed: int | None
    steps: int
    cancelled: bool
    fails: bool


turns = st.builds(
    Turn,
    origin=st.none() | st.integers(0, 5),
    dropped=st.sampled_from([0, 0, 3, 100]),
    # Of few texts, so that conversations begin alike and part in the middle of blocks and pieces.
    new=st.builds(text, st.sampled_from([0, 0, 0, 700]), st.sampled_from([1, 15, 40, 63, 64, 100, 150, 200])),
    seed=st.sampled_from([None, None, 1, 2]),
    steps=st.integers(0, 9),
    cancelled=st.integers(0, 7).map(lambda number: number == 0),
    fails=st.integers(0, 11).map(lambda number: number == 0),
)


def ask_turn(engine: EngineCore, clients: list[Client], turn: Turn) -> Client:
    history: tuple[int, ...] = ()
    if turn.origin is not None and clients:
        before = clients[turn.origin % len(clients)]
        history = (*before.request.prompt, *before.tokens[turn.dropped :], TURN_END)
    prompt = ((*history, *turn.new)[-900:] if len(history) > 600 else (*history, *turn.new)) + ASKS
    return Client(
        engine,
        EngineRequest(
            prompt,
            sampling=SamplingParameters(temperature=0.0 if turn.seed is None else 1.0, seed=turn.seed),
            max_output_tokens=1 + turn.steps * 3,
            top_logprobs=0,
            agent=str(turn.origin),
        ),
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    products=st.sampled_from(["float", "blocks of 4 bits"]),
    asked=st.lists(turns, min_size=2, max_size=9),
    max_sequences=st.integers(1, 4),
    cache_blocks=st.sampled_from([0, 3, 30, 500, 500]),
    checkpoints=st.sampled_from([0, 1, 3, 50, 50]),
    row_tokens=st.sampled_from([1024, 2200, 100_000]),
    seconds=st.sampled_from([0, 1]),
)
def test_answers_are_those_without_a_cache_whatever_happens(
    models: dict[str, ModelFolder],
    products: str,
    asked: list[Turn],
    max_sequences: int,
    cache_blocks: int,
    checkpoints: int,
    row_tokens: int,
    seconds: int,
) -> None:
    model = models[products]
    core = oracle_core(model)
    spec = core.model.spec
    engine = EngineCore(
        model,
        EngineConfiguration(
            threads=1,
            max_sequences=max_sequences,
            prefill_seconds=seconds,
            row_bytes=spec.slot_bytes(row_tokens),
            cache_bytes=cache_blocks * BLOCK_TOKENS * spec.bytes_per_token,
            checkpoint_bytes=checkpoints * spec.state_bytes,
        ),
    )
    clients: list[Client] = []
    real_forward = engine.model.forward
    for turn in asked:
        clients.append(ask_turn(engine, clients, turn))
        for _ in range(turn.steps):
            engine.step()
            check_invariants(engine, clients)
        if turn.cancelled:
            engine.cancel(clients[-1].sequence)
        if turn.fails:
            engine.model.forward = broken_pass(engine)  # type: ignore[method-assign]
            engine.step()
            engine.model.forward = real_forward  # type: ignore[method-assign]
        check_invariants(engine, clients)
    run_to_the_end(engine, clients)
    for client in clients:
        if client.error is not None:
            assert "the device is gone" in client.error.message
        elif client.request.sampling.seed is not None:
            wanted = chosen_in(Oracle(core).answer(client.request))
            cancelled = client.deltas[-1].finish_reason == "cancelled"
            assert client.said == (wanted[: len(client.said)] if cancelled else wanted)
        elif client.tokens and products == "float":  # where no rounding of activations makes more of last bits
            np.testing.assert_allclose(client.logprobs, naive_logprobs(core, client), atol=1e-3)
    for checkpoint in engine.checkpoints.held:
        if products == "float":
            check_content(core, engine, checkpoint)


def broken_pass(engine: EngineCore):
    """A pass that fails in its middle, when some of the states are other ones."""

    def forward(pool: HostPool, first: int, tokens: np.ndarray, past: list[int], **_: object) -> None:
        pool.bind(engine.model, first, past, tokens.shape[1])
        pool.states.now[0][first : first + len(past)] += 1
        raise RuntimeError("the device is gone")

    return forward


def naive_logprobs(core: EngineCore, client: Client) -> list[float]:
    """How likely the client's tokens are, in one pass over everything."""
    prompt, said = client.request.prompt, client.tokens
    pool = HostPool(core.model.spec, 2**30)
    pool.resize(1, len(prompt) + len(said), kept=())
    logits = core.model.forward(pool, 0, np.array([[*prompt, *said[:-1]]]), [0], keep=len(said))[0]
    return [float(log_softmax(logits[place])[token]) for place, token in enumerate(said)]


def check_content(core: EngineCore, engine: EngineCore, checkpoint: Checkpoint) -> None:
    """The states are those behind the tokens of the checkpoint's path; an exact one's to the last bit."""
    tokens = [token for block in path_of(checkpoint.block) for token in block.tokens]
    naive = HostPool(core.model.spec, 2**30)
    naive.resize(1, len(tokens), kept=())
    for start in range(0, len(tokens), GRID_TOKENS):
        core.model.forward(naive, 0, np.array([tokens[start : start + GRID_TOKENS]]), [start])
    pool = engine.pool
    assert isinstance(pool, HostPool)
    pool.reserve(1, 1, kept=())
    pool.restore_states(checkpoint.storage, 0, checkpoint.length)
    for found, wanted in zip(pool.states.now, naive.states.now, strict=True):
        if checkpoint.exact:
            assert np.array_equal(found[0], wanted[0])
        else:
            np.testing.assert_allclose(found[0], wanted[0], atol=1e-4)
    pool.release()


# What is worth how much.


@pytest.fixture(scope="module")
def hybrid(models: dict[str, ModelFolder]) -> ModelFolder:
    return models["float"]


def engine_on(folder: ModelFolder, **changes: int) -> EngineCore:
    values = {"threads": 1, "prefill_seconds": 0}
    return EngineCore(folder, EngineConfiguration(**(values | changes)))


def asked(core: EngineCore, prompt: tuple[int, ...], output: int = 8, seed: int | None = None) -> Client:
    return ask(core, EngineRequest(prompt, max_output_tokens=output, sampling=SamplingParameters(seed=seed)))


def cached(client: Client) -> int:
    usage = client.deltas[-1].usage
    assert usage is not None
    return usage.cached_tokens


def test_a_conversation_goes_on_where_its_last_answer_ended(hybrid: ModelFolder) -> None:
    core = engine_on(hybrid)
    first = asked(core, text(0, 200) + ASKS, output=30)
    history = (*first.request.prompt, *first.tokens)
    second = asked(core, (*history, TURN_END, *text(700, 30), *ASKS))
    assert cached(second) == len(history) - 1  # the last token was chosen, and not computed


def test_where_thinking_is_dropped_a_conversation_goes_on_behind_the_turn_before(hybrid: ModelFolder) -> None:
    core = engine_on(hybrid)
    first = asked(core, text(0, 230) + ASKS, output=30)
    second = asked(core, (*first.request.prompt, *first.tokens[20:], TURN_END, *text(700, 30), *ASKS))
    assert cached(second) == 231


def test_a_seeded_turn_goes_on_from_the_grid(hybrid: ModelFolder) -> None:
    core = engine_on(hybrid)
    first = asked(core, text(0, 230) + ASKS, output=30)
    assert cached(asked(core, first.request.prompt, seed=1)) == 0  # the only checkpoints lie beside it
    second = asked(core, (*first.request.prompt, *first.tokens, TURN_END, *text(700, 30), *ASKS), seed=1)
    assert cached(second) == 192


def test_the_end_of_a_common_system_part_is_kept_before_anybody_branches_there(hybrid: ModelFolder) -> None:
    core = engine_on(hybrid)
    system = (*text(0, 300), TURN_END)
    asked(core, system + text(700, 250) + ASKS)
    assert cached(asked(core, system + text(1000, 250) + ASKS)) == 256


def test_where_two_requests_part_the_second_leaves_a_checkpoint_for_the_third(hybrid: ModelFolder) -> None:
    core = engine_on(hybrid)
    common = text(0, 300)  # no turn ends here
    found = [cached(asked(core, common + text(place, 250) + ASKS)) for place in (700, 1000, 1300)]
    assert found == [0, 0, 256]


def test_agents_that_start_together_read_what_is_common_once(hybrid: ModelFolder) -> None:
    core = engine_on(hybrid, max_sequences=8)
    common = text(0, 400)
    prompts = [common + text(500 + 100 * number, 70) + ASKS for number in range(6)]
    clients = [
        Client(core, EngineRequest(prompt, max_output_tokens=4, agent=str(number)))
        for number, prompt in enumerate(prompts)
    ]
    run_to_the_end(core, clients)
    assert sorted(cached(client) for client in clients) == [0] + [384] * 5
    assert core.statistics().prefill_tokens == sum(map(len, prompts)) - 5 * 384


def test_long_prompts_leave_checkpoints_on_their_way(hybrid: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_windows_ai.engine.kv.state_matching._EVERY", 256)
    core = engine_on(hybrid)
    asked(core, text(0, 750) + ASKS, output=1)
    # Every 256, and behind the last turn instead of before it.
    assert sorted(one.length for one in core.checkpoints.held) == [256, 512, 751]


def test_requests_one_after_the_other_take_no_more_checkpoints_than_there_is_room_for(hybrid: ModelFolder) -> None:
    room = 3 * oracle_core(hybrid).model.spec.state_bytes
    core = engine_on(hybrid, checkpoint_bytes=room)
    for place in range(0, 900, 100):
        asked(core, text(place, 100) + ASKS)
    figures = core.statistics()
    assert figures.checkpoints == 3
    assert figures.checkpoint_bytes == figures.checkpoint_bytes_budget == room
    assert figures.checkpoint_evictions > 0
    assert figures.memory_bytes >= figures.checkpoint_bytes


def test_no_draft_is_tried_whose_tokens_a_state_could_not_forget(hybrid: ModelFolder) -> None:
    core = engine_on(hybrid)
    repeating = (*text(0, 12) * 8, *ASKS)
    client = asked(core, repeating, output=40)
    assert client.error is None
    assert core.statistics().drafted_tokens == 0


def test_a_device_that_is_handed_copies_answers_as_the_processor_does(hybrid: ModelFolder) -> None:
    said: list[list[int]] = []
    for configure in (None, lambda options: options.add_provider("CPUExecutionProvider", {})):
        core = EngineCore(hybrid, EngineConfiguration(threads=1), configure_session=configure)
        requests = [EngineRequest(text(100 * number, 90) + ASKS, max_output_tokens=12) for number in range(3)]
        clients = [Client(core, request) for request in requests * 2]
        run_to_the_end(core, clients)
        assert core.statistics().cached_tokens > 0
        said += [client.tokens for client in clients]
    assert said[:6] == said[6:]
