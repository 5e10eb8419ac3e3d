"""The window that fits, on machines of several sizes."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.memory_plan import ModelSizes, plan_memory
from codex_windows_ai.errors import SettingsError, UnsupportedModelError

GIB = 1 << 30
QWEN3_4B = ModelSizes(weights=3 * GIB, token=36 * 8 * 128 * 2 * 4, can_be_halved=True)


@pytest.mark.parametrize(
    ("total", "half", "window"),
    [
        (64 * GIB, False, 40960),
        (16 * GIB, True, 40960),  # 12 GB as float32
        (8 * GIB, True, 8704),  # of 1.6 GiB that are left three quarters, by 144 KiB
    ],
)
def test_a_window_that_does_not_fit_is_halved_before_it_is_cut(total: int, half: bool, window: int):
    plan = plan_memory(QWEN3_4B, 40960, total=total)
    assert (plan.half_precision, plan.window) == (half, window)
    assert plan.token_bytes == QWEN3_4B.token // (2 if half else 1)


def test_what_is_asked_for_is_done_where_it_can_be():
    assert plan_memory(QWEN3_4B, 40960, "float16", total=64 * GIB).half_precision
    exact = plan_memory(QWEN3_4B, 40960, "float32", total=16 * GIB)
    assert not exact.half_precision
    assert 20000 < exact.window < 40960
    other = ModelSizes(QWEN3_4B.weights, QWEN3_4B.token, can_be_halved=False)
    assert not plan_memory(other, 40960, total=16 * GIB).half_precision
    with pytest.raises(UnsupportedModelError, match="float16"):
        plan_memory(other, 40960, "float16", total=64 * GIB)


def test_a_machine_that_is_too_small_is_told_with_numbers():
    with pytest.raises(UnsupportedModelError, match=r"1\.1 GB.* tokens"):
        plan_memory(ModelSizes(30 * GIB, 4 * QWEN3_4B.token, can_be_halved=True), 40960, total=GIB)


def test_states_have_a_part_of_slots_and_checkpoints_half_of_what_prefixes_get():
    hybrid = ModelSizes(
        weights=GIB, token=1 << 10, can_be_halved=True, scratch=2 * GIB - int(1.6 * GIB), state=20 << 20
    )
    plan = plan_memory(hybrid, 4096, memory=11 * GIB, total=16 * GIB)
    assert plan.parts == {
        "weights": int(1.6 * GIB),
        "scratch": 2 * GIB - int(1.6 * GIB),
        "slots": 4 * GIB,
        "prefix_cache": 5 * GIB // 2,
        "checkpoints": 5 * GIB // 2,
    }
    assert plan.budget == 11 * GIB
    assert plan.configure(None, 0.1).checkpoint_bytes == plan.checkpoints
    # A window and its states, and no more.
    tight = replace(hybrid, state=GIB)
    room = 3 * (3 * GIB - 2 * GIB) // 4
    assert plan_memory(tight, 1 << 19, "float32", memory=4 * GIB, total=16 * GIB).window == (3 * GIB // 2 - GIB) >> 10
    with pytest.raises(UnsupportedModelError, match="and 0 tokens"):
        plan_memory(replace(hybrid, state=room + 1), 4096, memory=3 * GIB, total=16 * GIB)


def test_what_a_model_may_take_is_divided_among_its_parts():
    small = ModelSizes(weights=GIB, token=1 << 10, can_be_halved=True, scratch=2 * GIB - int(1.6 * GIB))
    plan = plan_memory(small, 4096, memory=11 * GIB, total=16 * GIB)
    assert plan.parts == {
        "weights": int(1.6 * GIB),
        "scratch": 2 * GIB - int(1.6 * GIB),
        "slots": 4 * GIB,
        "prefix_cache": 4 * GIB,
        "shared_prefix": GIB,
    }
    assert plan.budget == 11 * GIB
    by_default = plan_memory(small, 4096, total=8 * GIB)
    assert (by_default.slots, by_default.prefix_cache, by_default.shared_prefix) == (GIB, GIB, GIB // 4)
    with pytest.raises(UnsupportedModelError, match=r"`memory`, 2\.1 GB, .* 0 tokens"):
        plan_memory(small, 4096, memory=2 * GIB, total=16 * GIB)
    with pytest.raises(SettingsError, match=r"17\.2 GB"):
        plan_memory(small, 4096, memory=17 * GIB, total=16 * GIB)


@given(
    st.integers(1 << 20, 40 * GIB),
    st.integers(1 << 10, 1 << 20),
    st.integers(1, 1 << 20),
    st.integers(GIB, 256 * GIB),
    st.none() | st.floats(0.01, 1),
)
def test_the_longest_sequence_fits_its_slots_and_all_parts_the_budget(
    weights: int, token: int, window: int, total: int, share: float | None
):
    memory = None if share is None else math.ceil(total * share)
    sizes = ModelSizes(weights, token, can_be_halved=True, scratch=GIB // 4)
    try:
        plan = plan_memory(sizes, window, memory=memory, total=total)
    except UnsupportedModelError:
        return
    assert 1 <= plan.window <= window
    assert plan.window * plan.token_bytes <= plan.slots
    assert min(plan.parts.values()) >= 0
    assert plan.budget <= (memory or total)
