"""The engine against its naive oracle, on a real if tiny model, with everything happening at random."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sampling.sampler import log_softmax
from codex_windows_ai.engine.sequence import Phase
from codex_windows_ai.errors import EngineError
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.protocol.request import Grammar, SamplingParameters
from tests.engine.clients import Client, chosen_in
from tests.engine.invariants import ask, check_invariants, run_to_the_end
from tests.engine.oracle import Oracle
from tests.engine.tiny_model import Kind, make_tiny_model

FORCING = Grammar("regex", r"said (yes|no), because of the (weather|w[aeiou]ll|x)\.")
SHARED = tuple(int(token) for token in np.random.default_rng(7).integers(0, 256, 300))


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


samplings = st.one_of(
    st.just({"temperature": 0.0}),
    st.fixed_dictionaries(
        {
            "temperature": st.sampled_from([0.5, 1.0, 1.7]),
            "top_p": st.sampled_from([1.0, 0.9]),
            "top_k": st.sampled_from([0, 5, 40]),
            "min_p": st.sampled_from([0.0, 0.05]),
            "repetition_penalty": st.sampled_from([1.0, 1.2]),
            "frequency_penalty": st.sampled_from([0.0, 0.5]),
        }
    ),
)


@st.composite
def requests(draw: st.DrawFn, seeded: bool | None = None) -> EngineRequest:
    """Prompts that share prefixes with each other, and sometimes repeat themselves."""
    shared = draw(st.integers(0, len(SHARED)))
    own = draw(st.lists(st.integers(0, 255), min_size=0 if shared else 1, max_size=40))
    prompt = SHARED[:shared] + tuple(own) * draw(st.integers(1, 2))
    if seeded is None:
        seeded = draw(st.booleans())
    return EngineRequest(
        prompt=prompt,
        sampling=SamplingParameters(**draw(samplings), seed=draw(st.integers(0, 3)) if seeded else None),
        max_output_tokens=draw(st.integers(1, 24)),
        agent=draw(st.sampled_from("abc")),
        stop=draw(st.sampled_from([(), ("a",), ("th", "e ")])),
        grammar=draw(st.sampled_from([None, None, None, Grammar("regex", r"[a-f]{2,9}x"), FORCING])),
        top_logprobs=draw(st.sampled_from([None, 0])),
    )


@st.composite
def scenarios(draw: st.DrawFn) -> list[tuple[str, object]]:
    """A mix of submitting, stepping, cancelling, and passes that fail."""
    return draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("submit"), requests()),
                st.tuples(st.just("submit"), requests()),
                st.tuples(st.just("step"), st.integers(1, 6)),
                st.tuples(st.just("cancel"), st.integers(0, 20)),
                st.tuples(st.just("fail"), st.none()),
            ),
            min_size=1,
            max_size=24,
        )
    )


@functools.cache
def oracle_core(folder: ModelFolder) -> EngineCore:
    return EngineCore(folder, EngineConfiguration(threads=1))


def configuration(**changes: int) -> EngineConfiguration:
    values = {"threads": 1, "max_sequences": 4, "queue_limit": 100, "prefill_chunk": 64, "prefill_seconds": 0}
    return EngineConfiguration(**(values | changes))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_model: ModelFolder) -> dict[str, ModelFolder]:
    """By how they multiply. In 4 bits a sequence decodes alone to other bits than in a batch on some processors."""
    return {
        "blocks of 8 bits": tiny_model,
        "blocks of 4 bits": make_tiny_model(tmp_path_factory.mktemp("four"), kind=Kind.Q4_0),
        "integers": make_tiny_model(tmp_path_factory.mktemp("integers"), precision=Precision.EIGHT_BITS),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    products=st.sampled_from(["blocks of 8 bits", "blocks of 4 bits", "integers"]),
    scenario=scenarios(),
    chunk=st.sampled_from([2, 32, 48, 500]),
    seconds=st.sampled_from([0, 1]),
    max_sequences=st.integers(1, 6),
    cache_blocks=st.sampled_from([0, 1, 3, 12, 500]),
    row_tokens=st.sampled_from([512, 1100, 100_000]),
    shared_tokens=st.sampled_from([0, 64, 500, 2000]),
)
def test_seeded_requests_are_exact_whatever_else_happens(
    models: dict[str, ModelFolder],
    products: str,
    scenario: list[tuple[str, object]],
    chunk: int,
    seconds: int,
    max_sequences: int,
    cache_blocks: int,
    row_tokens: int,
    shared_tokens: int,
) -> None:
    model = models[products]
    core = oracle_core(model)
    oracle = Oracle(core)
    token_bytes = core.model.spec.bytes_per_token
    engine = EngineCore(
        model,
        configuration(
            max_sequences=max_sequences,
            prefill_chunk=chunk,
            prefill_seconds=seconds,
            cache_bytes=cache_blocks * BLOCK_TOKENS * token_bytes,
            row_bytes=row_tokens * token_bytes,
            shared_bytes=shared_tokens * token_bytes,
            shared_saving=16,
        ),
    )
    clients: list[Client] = []
    cancelled: set[int] = set()
    failures = 0
    real_forward = engine.model.forward
    for action, value in scenario:
        if action == "submit":
            assert isinstance(value, EngineRequest)
            clients.append(Client(engine, value))
        elif action == "step":
            assert isinstance(value, int)
            for _ in range(value):
                engine.step()
                check_invariants(engine, clients)
        elif action == "cancel" and clients:
            assert isinstance(value, int)
            client = clients[value % len(clients)]
            cancelled.add(id(client))
            engine.cancel(client.sequence)
            check_invariants(engine, clients)
        elif action == "fail":

            def broken(*_: object, **__: object) -> None:
                raise RuntimeError("the device is gone")

            engine.model.forward = broken  # type: ignore[method-assign]
            engine.step()
            engine.model.forward = real_forward  # type: ignore[method-assign]
            failures += 1
            check_invariants(engine, clients)
    run_to_the_end(engine, clients)
    for client in clients:
        if isinstance(client.error, EngineError):
            assert failures and "the device is gone" in client.error.message
            continue
        assert client.error is None
        if client.request.sampling.seed is None:
            continue
        expected = oracle.answer(client.request)
        wanted = chosen_in(expected)
        if client.deltas[-1].finish_reason == "cancelled":
            assert id(client) in cancelled
            assert client.said == wanted[: len(client.said)]
        else:
            assert client.said == wanted
            assert "".join(d.text for d in client.deltas) == "".join(d.text for d in expected)
            assert client.deltas[-1].finish_reason == expected[-1].finish_reason


@pytest.mark.parametrize(
    ("products", "length"),
    [("blocks of 8 bits", length) for length in (17, 33, 65, 97, 113, 129, 193, 240)]
    + [(products, length) for products in ("blocks of 4 bits", "integers") for length in (17, 129, 240)],
)
def test_a_seeded_prompt_is_read_to_the_same_bits_however_it_is_cut(
    models: dict[str, ModelFolder], products: str, length: int
) -> None:
    """Lengths of which ONNX Runtime takes the last token alone, whole or behind blocks of the cache."""
    request = EngineRequest(
        prompt=SHARED[:length], sampling=SamplingParameters(seed=1), max_output_tokens=2, top_logprobs=0
    )
    model = models[products]
    expected = chosen_in(Oracle(oracle_core(model)).answer(request))
    for chunk in (16, 32, 48, 500):
        for cached in (0, 16, 23, 31, length - 2, length):
            core = EngineCore(model, configuration(prefill_chunk=chunk))
            ask(core, EngineRequest(prompt=(*SHARED[:cached], 1, 2, 3)))
            assert ask(core, request).said == expected, (chunk, cached)


@st.composite
def alike(draw: st.DrawFn) -> EngineRequest:
    """Nearly all begin with the same long prefix."""
    shared = draw(st.sampled_from([300] * 9 + [290, 250, 160, 0]))
    own = draw(st.lists(st.integers(0, 255), min_size=1, max_size=60))
    seed = draw(st.sampled_from([None] * 12 + [1]))
    return EngineRequest(
        prompt=SHARED[:shared] + tuple(own),
        sampling=SamplingParameters(seed=seed),
        max_output_tokens=draw(st.sampled_from([1, 8, 30])),
        agent=draw(st.sampled_from("abcdef")),
        top_logprobs=0,
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    arrivals=st.lists(st.tuples(alike(), st.integers(0, 2)), min_size=4, max_size=14),
    chunk=st.sampled_from([32, 500]),
    shared_tokens=st.sampled_from([500, 1100, 4000]),
    cache_blocks=st.sampled_from([20, 500, 500]),
    speculating=st.sampled_from([0, 2]),
)
def test_every_answer_is_as_likely_as_the_model_says(
    tiny_model: ModelFolder,
    arrivals: list[tuple[EngineRequest, int]],
    chunk: int,
    shared_tokens: int,
    cache_blocks: int,
    speculating: int,
) -> None:
    core = oracle_core(tiny_model)
    token_bytes = core.model.spec.bytes_per_token
    engine = EngineCore(
        tiny_model,
        configuration(
            max_sequences=6,
            prefill_chunk=chunk,
            cache_bytes=cache_blocks * BLOCK_TOKENS * token_bytes,
            shared_bytes=shared_tokens * token_bytes,
            shared_saving=100,
            speculating_sequences=speculating,
        ),
    )
    clients: list[Client] = []
    for request, steps in arrivals:
        clients.append(Client(engine, request))
        for _ in range(steps):
            engine.step()
            check_invariants(engine, clients)
    run_to_the_end(engine, clients)
    for client in clients:
        prompt, said = client.request.prompt, client.tokens
        told = [chosen.logprob for delta in client.deltas for chosen in delta.tokens]
        pool = HostPool(core.model.spec, 2**30)
        pool.resize(1, len(prompt) + len(said), kept=())
        tokens = np.array([[*prompt, *said[:-1]]])
        logits = core.model.forward(pool, 0, tokens, [0], keep=len(said))[0]
        right = [float(log_softmax(logits[place])[token]) for place, token in enumerate(said)]
        np.testing.assert_allclose(told, right, atol=0.15)  # int8 activations


def test_a_conversations_next_turn_reuses_its_own_history(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, configuration())
    first = ask(core, EngineRequest(prompt=SHARED[:100], max_output_tokens=60))
    history = SHARED[:100] + tuple(first.tokens)
    second = ask(core, EngineRequest(prompt=(*history, 1, 2, 3), max_output_tokens=1))
    usage = second.deltas[-1].usage
    assert usage is not None
    # The last generated token was never computed; all others come from the cache.
    assert usage.cached_tokens == len(history) - 1


def test_a_seeded_turn_reuses_only_what_was_prefilled(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, configuration())
    first = ask(core, EngineRequest(prompt=SHARED[:100], max_output_tokens=60))
    history = SHARED[:100] + tuple(first.tokens)
    second = ask(
        core,
        EngineRequest(prompt=(*history, 1, 2, 3), max_output_tokens=1, sampling=SamplingParameters(seed=1)),
    )
    usage = second.deltas[-1].usage
    assert usage is not None
    assert usage.cached_tokens == 100 // BLOCK_TOKENS * BLOCK_TOKENS


def test_agents_that_arrive_together_read_their_shared_prefix_once(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, configuration(max_sequences=8))
    clients = [
        Client(core, EngineRequest(prompt=(*SHARED[:256], n, n), max_output_tokens=4, agent=str(n))) for n in range(8)
    ]
    run_to_the_end(core, clients)
    assert core.statistics().prefill_tokens == 258 + 7 * 2


def test_a_short_request_is_answered_while_a_long_prompt_is_read(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, configuration(prefill_chunk=64))
    long = Client(core, EngineRequest(prompt=SHARED + SHARED[:200], max_output_tokens=4, agent="long"))
    short = Client(core, EngineRequest(prompt=(1, 2, 3), max_output_tokens=3, agent="short"))
    core.step()
    while not short.ends:
        core.step()
    assert not long.tokens
    run_to_the_end(core, [long, short])
    assert len(long.tokens) == 4


def test_the_occupancy_of_the_batch_is_its_rows(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, configuration(speculating_sequences=0))
    clients = [Client(core, EngineRequest(prompt=(n, n), max_output_tokens=9, agent=str(n))) for n in range(3)]
    run_to_the_end(core, clients)
    statistics = core.statistics()
    assert statistics.decode_rows == sum(len(client.tokens) - 1 for client in clients)  # the first came with the prompt
    assert 1 < statistics.batch_occupancy <= 3


def test_speculation_gives_the_greedy_answer_in_fewer_passes(tiny_model: ModelFolder) -> None:
    answers: list[list[int]] = []
    passes: list[int] = []
    for sequences in (0, 2):
        core = EngineCore(tiny_model, configuration(speculating_sequences=sequences))
        client = ask(core, EngineRequest(prompt=SHARED[:20] * 6, max_output_tokens=120))
        answers.append(client.tokens)
        passes.append(core.statistics().decode_passes)
    assert answers[0] == answers[1]
    assert passes[1] * 3 < passes[0] * 2


@pytest.mark.parametrize("seed", [None, 1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("agents", [1, 4])
def test_what_a_grammar_forces_is_not_chosen_token_by_token(
    tiny_model: ModelFolder, agents: int, seed: int | None
) -> None:
    """Who wants logarithms of probabilities has each token computed; the answers are the same."""
    answers: list[list[list[int]]] = []
    passes: list[int] = []
    for logprobs in (0, None):
        core = EngineCore(tiny_model, configuration())
        clients = [
            Client(
                core,
                EngineRequest(
                    prompt=SHARED[: 20 + 30 * n],
                    sampling=SamplingParameters(temperature=5.0 if seed else 0.0, seed=seed),
                    grammar=FORCING,
                    agent=str(n),
                    top_logprobs=logprobs,
                ),
            )
            for n in range(agents)
        ]
        run_to_the_end(core, clients)
        answers.append([client.tokens for client in clients])
        passes.append(core.statistics().decode_passes)
        assert core.statistics().output_tokens == sum(len(client.tokens) for client in clients)
        assert all((logprob is None) == (logprobs is None) for client in clients for _, logprob in client.said)
        for client in clients:
            text = "".join(delta.text for delta in client.deltas)
            assert re.fullmatch(FORCING.definition, text)
            usage = client.deltas[-1].usage
            assert usage is not None
            assert (usage.input_tokens, usage.output_tokens) == (
                len(client.request.prompt),
                len(client.tokens),
            )
    assert answers[0] == answers[1]
    assert passes[1] < passes[0] * (0.9 if seed else 0.5)


@pytest.mark.parametrize("stop", ["said", "aid y", "aid n", "of the"])
def test_a_stop_string_in_forced_text_ends_the_answer_there(tiny_model: ModelFolder, stop: str) -> None:
    answers: list[tuple[list[int], str]] = []
    for logprobs in (0, None):
        core = EngineCore(tiny_model, configuration())
        client = ask(core, EngineRequest(prompt=SHARED[:50], grammar=FORCING, stop=(stop,), top_logprobs=logprobs))
        answers.append((client.tokens, "".join(delta.text for delta in client.deltas)))
    assert answers[0] == answers[1]
    assert stop not in answers[1][1]


def test_what_an_answer_begins_with_is_no_part_of_the_cached_prompt(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, configuration())
    for cached in (0, 50):
        client = ask(core, EngineRequest(prompt=SHARED[:50], grammar=FORCING))
        usage = client.deltas[-1].usage
        assert usage is not None
        assert (usage.input_tokens, usage.cached_tokens) == (50, cached)


@pytest.mark.parametrize("seed", [None, 1])
def test_where_bits_count_known_tokens_are_computed_one_by_one(tiny_model: ModelFolder, seed: int | None) -> None:
    core = EngineCore(tiny_model, configuration())
    client = Client(core, EngineRequest(prompt=SHARED[:50], grammar=FORCING, sampling=SamplingParameters(seed=seed)))
    sequence = client.sequence
    while sequence.phase is not Phase.DECODE:
        core.step()
    waiting = len(sequence.tokens) - sequence.computed
    assert waiting > 10
    assert len(sequence.forced) == (1 if seed else waiting)
    core.step()
    assert len(sequence.tokens) - sequence.computed == waiting - 1 if seed else sequence.forced != []
    run_to_the_end(core, [client])


@pytest.mark.parametrize("most", [1, 2, 4, 5, 6, 400])
def test_an_answer_that_is_wholly_forced_ends_where_it_must(tiny_model: ModelFolder, most: int) -> None:
    core = EngineCore(tiny_model, configuration())
    client = Client(
        core, EngineRequest(prompt=SHARED[:30], max_output_tokens=most, grammar=Grammar("regex", "abcde"), agent="a")
    )
    run_to_the_end(core, [client])
    assert bytes(client.tokens) == b"abcde"[:most]
    assert client.deltas[-1].finish_reason == ("length" if most < 5 else "stop")
    assert core.statistics().decode_passes == 0


@pytest.mark.parametrize("agents", [1, 4])
def test_known_text_much_longer_than_the_prompt_finds_room(tmp_path: Path, agents: int) -> None:
    core = EngineCore(make_tiny_model(tmp_path, context=4096), configuration(shared_saving=1))
    literal = "0123456789 " * 150
    clients = [
        Client(
            core,
            EngineRequest(
                prompt=(*SHARED[:200], n),
                agent=str(n),
                max_output_tokens=2000,
                grammar=Grammar("regex", f"{literal}(yes|no) {literal}"),
            ),
        )
        for n in range(agents)
    ]
    run_to_the_end(core, clients)
    for client in clients:
        assert client.error is None
        assert re.fullmatch(f"{literal}(yes|no) {literal[:300]}.*", "".join(delta.text for delta in client.deltas))
