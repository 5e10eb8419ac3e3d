"""Graphs of decoders whose layers are not all attention: their states carry what keys and values do elsewhere."""

import shutil
from math import prod
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.convert.configuration import MODEL
from codex_windows_ai.models.decoder_graph import DecoderGraph
from codex_windows_ai.models.folder import CPU_MODEL, read_model_folder
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.graph_check import check_graphs, past_bytes, read_sizes
from codex_windows_ai.models.precision import Precision
from tests.models import reference
from tests.models.hybrid import TinyLfm2, TinyQwen35
from tests.models.test_convert import EXACT, converted, relative_error, session_of, some_tokens

MODELS = {
    "qwen35": TinyQwen35(),
    "qwen35, as many key heads": TinyQwen35(value_heads=2, tied=False),
    "qwen35, another order": TinyQwen35(attention_at=(0, 2), key_heads=1, value_size=32, drafts=True),
    "qwen35moe": TinyQwen35(architecture="qwen35moe", experts=8, used=3),
    "lfm2": TinyLfm2(),
}
ROUNDED = 0.25
"""Relative error, of which activations of 8 bits make a half in models as small, and a wrong order of heads 0.7."""
TinyHybrid = TinyQwen35 | TinyLfm2
State = dict[str, np.ndarray]


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS.keys())
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyHybrid, Path]:
    tiny: TinyHybrid = request.param
    return tiny, converted(tiny, tmp_path_factory.mktemp("hybrid"), Precision.FLOAT)


def nothing(session, rows: int) -> State:
    """What `rows` sequences remember before their first token."""
    return {
        value.name: np.zeros(
            [rows if size == "batch" else size if isinstance(size, int) else 0 for size in value.shape]
        ).astype(np.float32)
        for value in session.get_inputs()
        if value.name.startswith("past_")
    }


def step(session, tokens: np.ndarray, state: State, **optional: np.ndarray) -> tuple[np.ndarray, State]:
    """Logits, and the state behind the tokens, where all rows have as many."""
    before = next((values.shape[2] for name, values in state.items() if name.endswith(".key")), 0)
    feeds = {"input_ids": tokens, "attention_mask": np.ones((len(tokens), before + tokens.shape[1]), np.int64)}
    names = {name: name.replace("past_key_values", "present").replace("past_", "present_") for name in state}
    logits, *after = session.run(["logits", *names.values()], feeds | state | optional)
    return logits, dict(zip(names, after, strict=True))


def equal(one: State, other: State) -> bool:
    return all(np.array_equal(values, other[name]) for name, values in one.items())


def test_logits_follow_the_recurrence(model: tuple[TinyHybrid, Path]):
    tiny, folder = model
    tokens = np.random.default_rng(3).integers(0, len(tiny.vocabulary()), (2, 24))
    with GgufFile(folder.parent / "tiny.gguf") as file:
        expected = reference.forward(file, tokens)
    for name in (MODEL, CPU_MODEL):
        session = session_of(folder, name)
        logits, _ = step(session, tokens, nothing(session, 2))
        assert relative_error(logits, expected) < EXACT


@pytest.mark.parametrize(
    ("kind", "precision"),
    [
        (Kind.Q4_0, Precision.OWN),
        (Kind.Q8_0, Precision.OWN),
        (Kind.F16, Precision.OWN),
        (Kind.Q8_0, Precision.EIGHT_BITS),
    ],
    ids=lambda value: value.name,
)
def test_quantised_weights_follow_the_recurrence(kind: Kind, precision: Precision, tmp_path: Path):
    tiny = TinyQwen35(kind=kind, hidden=128, feed_forward=128)
    folder = converted(tiny, tmp_path, precision)
    tokens = some_tokens(tiny)
    with GgufFile(tmp_path / "tiny.gguf") as file:
        expected = reference.forward(file, tokens)
    for name in (MODEL, CPU_MODEL):
        session = session_of(folder, name)
        logits, _ = step(session, tokens, nothing(session, 1))
        assert relative_error(logits, expected) < ROUNDED


@pytest.mark.parametrize("cuts", [(1,), (2, 3), (7, 8, 20), tuple(range(1, 24))])
def test_a_prompt_may_be_cut_anywhere(cuts: tuple[int, ...], model: tuple[TinyHybrid, Path]):
    tiny, folder = model
    session = session_of(folder, CPU_MODEL)
    tokens = some_tokens(tiny)
    expected, expected_state = step(session, tokens, nothing(session, 1))
    found, state = [], nothing(session, 1)
    for piece in np.split(tokens, cuts, axis=1):
        logits, state = step(session, piece, state)
        found.append(logits)
    assert relative_error(np.concatenate(found, axis=1), expected) < EXACT
    for name, values in state.items():
        assert relative_error(values, expected_state[name]) < EXACT


def test_the_same_cuts_give_the_same_bits_from_a_copy_of_the_state(model: tuple[TinyHybrid, Path]):
    tiny, folder = model
    session = session_of(folder, CPU_MODEL)
    head, tail, other = np.split(some_tokens(tiny, 40), [16, 28], axis=1)
    _, kept = step(session, head, nothing(session, 1))
    expected, after = step(session, tail, kept)
    step(session, other, kept)
    again, once_more = step(session, tail, {name: values.copy() for name, values in kept.items()})
    np.testing.assert_array_equal(again, expected)
    assert equal(after, once_more)


def test_rows_behind_pasts_of_several_lengths_share_a_pass(model: tuple[TinyHybrid, Path]):
    """In memory that past and present share, but for convolutions, as the engine binds it."""
    tiny, folder = model
    session, lengths, room = session_of(folder, CPU_MODEL), [9, 0, 14, 1], 16
    random = np.random.default_rng(5)
    new = random.integers(0, len(tiny.vocabulary()), (4, 1))
    pasts = [nothing(session, 1) for _ in lengths]
    for row, length in enumerate(lengths):
        if length:
            _, pasts[row] = step(session, random.integers(0, len(tiny.vocabulary()), (1, length)), pasts[row])
    expected = [step(session, new[row : row + 1], each) for row, each in enumerate(pasts)]
    binding, past, present = session.io_binding(), dict[str, np.ndarray](), dict[str, np.ndarray]()
    binding.bind_cpu_input("input_ids", new)
    binding.bind_cpu_input("attention_mask", (np.arange(15) <= np.array(lengths)[:, None]).astype(np.int64))
    for name in pasts[0]:
        rows = [_in_room(each[name], room) if "key_values" in name else each[name] for each in pasts]
        read = past[name] = np.concatenate(rows)
        written = present[name] = np.empty_like(read) if "past_conv" in name else read
        binding.bind_input(name, "cpu", 0, np.float32, read.shape, read.ctypes.data)
        output = name.replace("past_key_values", "present").replace("past_", "present_")
        binding.bind_output(output, "cpu", 0, np.float32, written.shape, written.ctypes.data)
    logits = np.empty((4, 1, len(tiny.vocabulary())), np.float32)
    binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
    session.run_with_iobinding(binding)
    for row, (wanted, after) in enumerate(expected):
        assert relative_error(logits[row : row + 1], wanted) < EXACT
        for name, values in after.items():
            found = present[name][row : row + 1]
            found = found[:, :, : lengths[row] + 1] if "key_values" in name else found
            assert relative_error(found, values) < EXACT


def _in_room(values: np.ndarray, room: int) -> np.ndarray:
    """Keys or values [1, heads, tokens, size] with space behind them."""
    return np.pad(values, ((0, 0), (0, 0), (0, room - values.shape[2]), (0, 0)))


def test_a_folder_says_what_a_token_takes_and_what_a_sequence(model: tuple[TinyHybrid, Path]):
    tiny, path = model
    folder = read_model_folder(path)
    check_graphs(folder)
    sizes, attention = read_sizes(folder), len(tiny.attention_at)
    assert sizes.token == 4 * attention * 2 * tiny.kv_heads * tiny.head_size
    assert sizes.state == 4 * (tiny.layers - attention) * sum(prod(shape) for shape in tiny.state_shapes())
    assert past_bytes(folder, 100) == sizes.state + 100 * sizes.token


def test_states_of_other_shapes_are_refused_by_name(model: tuple[TinyHybrid, Path], tmp_path: Path):
    tiny, path = model
    copy = shutil.copytree(path, tmp_path / "copy")
    graph, layer = DecoderGraph(copy / MODEL), min(set(range(tiny.layers)) - set(tiny.attention_at))
    graph.inputs[f"past_conv.{layer}"].type.tensor_type.shape.dim[1].dim_param = "heads"
    (copy / MODEL).write_bytes(graph.model.SerializeToString())
    with pytest.raises(UnsupportedModelError, match=rf"`past_conv.{layer}` is .*'heads'"):
        check_graphs(read_model_folder(copy))


@pytest.mark.parametrize(
    ("tiny", "error", "said"),
    [
        (TinyQwen35(value_heads=3), UnsupportedModelError, "3 value heads do not share 2 key heads evenly"),
        (TinyQwen35(kernel=1), UnsupportedModelError, "more than one token"),
        (TinyQwen35(attention_at=()), UnsupportedModelError, "no layer has attention"),
        (TinyLfm2(kernel=1), UnsupportedModelError, "more than one token"),
        (TinyLfm2(more={"blk.0.shortconv.conv.bias": (64,)}), UnsupportedModelError, "shortconv.conv.bias"),
        (TinyQwen35(said_width=70), UnsupportedModelError, "`qwen35.ssm.inner_size` is 70"),
        (TinyQwen35(left_out="blk.1.ssm_a"), ModelFileError, "blk.1.ssm_a"),
        (TinyQwen35(misshapen="blk.1.ssm_conv1d.weight"), ModelFileError, "ssm_conv1d.weight.*found"),
        (TinyQwen35(left_out="blk.3.attn_q_norm.weight"), ModelFileError, "attn_q_norm"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_hybrid_is_like_is_said(tiny: TinyHybrid, error: type[Exception], said: str, tmp_path: Path):
    with pytest.raises(error, match=said):
        converted(tiny, tmp_path)
