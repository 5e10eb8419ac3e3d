"""The sampler against one that sorts everything and adds everything up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.sampling.sampler import Logits, Sampler, check_sampling, log_softmax
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.request import SamplingParameters

NOTHING_SEEN = np.zeros(0, dtype=np.int64)


def naive_distribution(logits: Logits, sampling: SamplingParameters) -> list[tuple[int, float]]:
    """Token ids and their probabilities after the filters, likeliest first."""
    scaled = [(float(logit) - float(logits.max())) / sampling.temperature for logit in logits]
    weights = np.exp(np.array(scaled, dtype=np.float32))
    order = sorted(range(logits.size), key=lambda token: (-weights[token], token))
    total = math.fsum(weights)
    kept: list[int] = []
    before = 0.0
    for rank, token in enumerate(order):
        out_of_k = sampling.top_k and rank >= sampling.top_k
        out_of_p = sampling.top_p < 1 and before >= sampling.top_p * total
        too_small = weights[token] < sampling.min_p * weights[order[0]]
        if kept and (out_of_k or out_of_p or too_small):
            break
        kept.append(token)
        before += float(weights[token])
    if sampling.top_k == 0 and sampling.top_p == 1 and sampling.min_p == 0:
        kept = list(range(logits.size))
    mass = math.fsum(weights[token] for token in kept)
    return [(token, float(weights[token]) / mass) for token in kept]


# Steps of 1/8 make ties and keep every sum far enough from a filter's border to be unambiguous.
eighths = st.integers(-80, 80).map(lambda n: n / 8)
samplings = st.builds(
    SamplingParameters,
    temperature=st.sampled_from([0.25, 0.7, 1.0, 2.0]),
    top_p=st.sampled_from([0.05, 0.33, 0.9, 0.999, 1.0]),
    top_k=st.sampled_from([0, 1, 3, 40, 300, 10_000]),
    min_p=st.sampled_from([0.0, 0.07, 0.9]),
    seed=st.integers(0, 2**64 - 1),
)


@st.composite
def logit_rows(draw: st.DrawFn) -> Logits:
    size = draw(st.sampled_from([1, 2, 17, 255, 256, 257, 1000]))
    values = draw(st.lists(eighths, min_size=1, max_size=12))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    return random.choice(np.array(values, dtype=np.float32), size)


@given(logit_rows(), samplings)
def test_a_token_is_drawn_as_from_the_fully_sorted_distribution(logits: Logits, sampling: SamplingParameters) -> None:
    uniform = np.random.Generator(np.random.PCG64(sampling.seed)).random()
    distribution = naive_distribution(logits, sampling)

    token = Sampler(sampling, logits.size, NOTHING_SEEN).sample(logits)

    cumulative = 0.0
    for candidate, probability in distribution:
        cumulative += probability
        if candidate == token:
            break
    else:
        pytest.fail(f"{token} was filtered out")
    # The number drawn lies in the token's own piece of the cumulative distribution.
    assert cumulative - probability - 1e-6 <= uniform <= cumulative + 1e-6


@given(logit_rows(), st.data())
def test_a_token_outside_the_mask_is_never_drawn(logits: Logits, data: st.DataObject) -> None:
    allowed = np.zeros(logits.size, dtype=bool)
    chosen = data.draw(st.lists(st.integers(0, logits.size - 1), min_size=1, max_size=5))
    allowed[chosen] = True
    sampling = data.draw(st.one_of(samplings, st.just(SamplingParameters())))

    assert Sampler(sampling, logits.size, NOTHING_SEEN).sample(logits, allowed) in chosen


@given(logit_rows())
def test_greedy_takes_the_first_of_the_likeliest(logits: Logits) -> None:
    greedy = Sampler(SamplingParameters(), logits.size, NOTHING_SEEN)

    assert greedy.sample(logits) == min(range(logits.size), key=lambda token: (-logits[token], token))


@pytest.mark.parametrize("temperature", [1e-300, 1e-45, 1e-12])
def test_a_temperature_too_small_to_divide_by_is_greedy(temperature: float) -> None:
    logits = np.array([-3e4, 2e4, 3e4, 1.0], dtype=np.float32)

    assert Sampler(SamplingParameters(temperature=temperature), 4, NOTHING_SEEN).sample(logits) == 2


def draw_many(sampling: SamplingParameters, logits: Logits, count: int) -> list[int]:
    sampler = Sampler(sampling, logits.size, NOTHING_SEEN)
    return [sampler.sample(logits) for _ in range(count)]


def test_the_same_seed_draws_the_same_tokens_and_another_seed_others() -> None:
    logits = np.zeros(1000, dtype=np.float32)
    sampling = SamplingParameters(temperature=1.0, seed=5)

    assert draw_many(sampling, logits, 20) == draw_many(sampling, logits, 20)
    assert draw_many(sampling, logits, 20) != draw_many(replace(sampling, seed=6), logits, 20)


def test_without_a_seed_every_sampler_draws_its_own() -> None:
    logits = np.zeros(1000, dtype=np.float32)
    sampling = SamplingParameters(temperature=1.0)

    assert draw_many(sampling, logits, 20) != draw_many(sampling, logits, 20)


def test_one_number_is_drawn_a_token_whatever_the_filters() -> None:
    # So that one token's filters never shift what the next one is drawn from.
    flat = np.zeros(500, dtype=np.float32)
    peaked = flat.copy()
    peaked[3] = 50
    plain = Sampler(SamplingParameters(temperature=1.0, seed=1), 500, NOTHING_SEEN)
    filtered = Sampler(SamplingParameters(temperature=1.0, top_k=400, seed=1), 500, NOTHING_SEEN)
    plain.sample(peaked)
    filtered.sample(peaked)

    uniforms = np.random.Generator(np.random.PCG64(1)).random(2)
    assert plain.sample(flat) == int(uniforms[1] * 500)
    assert filtered.sample(flat) == int(uniforms[1] * 400)


def scores_seen(sampling: SamplingParameters, prompt: list[int], logits: list[float], drawn: int) -> int:
    """The greedy choice after `drawn` more choices from logits that force token 0."""
    sampler = Sampler(sampling, len(logits), np.array(prompt, dtype=np.int64))
    forced = np.zeros(len(logits), dtype=bool)
    forced[0] = True
    for _ in range(drawn):
        sampler.sample(np.array(logits, dtype=np.float32), forced)
    return sampler.sample(np.array(logits, dtype=np.float32))


def test_the_repetition_penalty_divides_positive_and_multiplies_negative_logits() -> None:
    twice = SamplingParameters(repetition_penalty=2.0)

    assert scores_seen(twice, [0], [3.0, 1.6], 0) == 1  # 3 / 2 < 1.6
    assert scores_seen(twice, [0], [3.0, 1.4], 0) == 0
    assert scores_seen(twice, [0], [-1.0, -1.9], 0) == 1  # -1 * 2 < -1.9
    assert scores_seen(twice, [0], [-1.0, -2.1], 0) == 0
    assert scores_seen(twice, [], [3.0, 1.6], 1) == 1  # what was generated counts as well


def test_the_presence_penalty_counts_once_and_only_what_was_generated() -> None:
    one = SamplingParameters(presence_penalty=1.0)

    assert scores_seen(one, [0], [2.0, 1.5], 0) == 0
    assert scores_seen(one, [], [2.0, 1.5], 1) == 1
    assert scores_seen(one, [], [2.0, 0.5], 3) == 0


def test_the_frequency_penalty_grows_with_every_repetition() -> None:
    half = SamplingParameters(frequency_penalty=0.5)

    assert scores_seen(half, [0], [2.0, 0.7], 2) == 0
    assert scores_seen(half, [0], [2.0, 0.7], 3) == 1


def test_the_models_own_logits_are_left_as_they_are() -> None:
    logits = np.array([3.0, 2.0, 1.0], dtype=np.float32)
    sampling = SamplingParameters(temperature=1.0, repetition_penalty=2.0, presence_penalty=1.0, top_p=0.5, seed=1)

    Sampler(sampling, 3, np.array([0])).sample(logits, np.array([True, False, True]))

    assert logits.tolist() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 5.1),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_k", -1),
        ("min_p", -0.01),
        ("min_p", 1.5),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", 11.0),
        ("presence_penalty", -2.5),
        ("frequency_penalty", 2.5),
        ("seed", -1),
        ("seed", 2**64),
        *((name, math.nan) for name in ("temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty")),
        ("frequency_penalty", math.inf),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InvalidRequestError, match=f"`{name}` must be between .* given: {value}") as refused:
        check_sampling(replace(SamplingParameters(), **{name: value}))

    assert (refused.value.http_status, refused.value.param) == (400, name)


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParameters(),
        SamplingParameters(temperature=5.0, top_p=1e-6, top_k=2**31, min_p=1.0, seed=2**64 - 1),
        SamplingParameters(repetition_penalty=0.01, presence_penalty=-2.0, frequency_penalty=2.0, seed=0),
    ],
)
def test_the_ends_of_the_ranges_are_accepted_and_work(sampling: SamplingParameters) -> None:
    check_sampling(sampling)

    logits: npt.NDArray[np.float32] = np.linspace(-30, 30, 300, dtype=np.float32)
    assert 0 <= Sampler(sampling, 300, NOTHING_SEEN).sample(logits) < 300


@given(logit_rows())
def test_log_probabilities_add_up_to_one(logits: Logits) -> None:
    logprobs = log_softmax(logits)

    assert math.isclose(math.fsum(np.exp(logprobs.astype(np.float64))), 1.0, rel_tol=1e-4)
    assert (np.argsort(-logprobs, kind="stable") == np.argsort(-logits, kind="stable")).all()
