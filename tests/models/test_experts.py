"""Experts: what is stored is what the file has, or what is lost is told; what they compute is in test_convert.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from gguf import GGMLQuantizationType as Kind
from onnx import external_data_helper, numpy_helper

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.hardware import experts as hardware_experts
from codex_windows_ai.models.blocks.decoder import Decoder
from codex_windows_ai.models.blocks.weights import Experts
from codex_windows_ai.models.convert import experts as experts_module
from codex_windows_ai.models.convert.configuration import MODEL
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.convert.experts import EIGHT_BITS, FOUR_BITS, expert_arrays
from codex_windows_ai.models.convert.float_pass import logits as float_logits
from codex_windows_ai.models.convert.source import SourceWeights
from codex_windows_ai.models.decoder_graph import DecoderGraph
from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.families.registry import FAMILIES, family_of, read_spec
from codex_windows_ai.models.folder import CPU_MODEL
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.progress import silent
from tests.models import reference
from tests.models.synthetic import CLAMPED_MIXTURE, MIXTURE, Tiny
from tests.models.test_convert import converted, relative_error, run, session_of, some_tokens

FP4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def fast(monkeypatch: pytest.MonkeyPatch, *, is_fast: bool) -> None:
    """Has the converter believe that this processor multiplies MXFP4 fast, or that it does not."""
    monkeypatch.setattr(experts_module, "multiplies_mxfp4", lambda: is_fast)


def stored(folder: Path, experts: Experts) -> np.ndarray:
    """The weights that a folder has for all experts of a layer, [experts, rows, columns]."""
    model = onnx.load(folder / MODEL, load_external_data=False)
    arrays = {}
    for tensor in model.graph.initializer:
        if tensor.name.startswith(f"{experts.name}."):
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
            arrays[tensor.name.removeprefix(f"{experts.name}.")] = numpy_helper.to_array(tensor)
    codes, scales = arrays["codes"], arrays["scales"].astype(np.float32)
    if codes.shape[-1] < experts.columns:
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:-1], -1)
        values = FP4[codes] if arrays["scales"].dtype.name.startswith("float8") else codes.astype(np.float32) - 8
        if "zero_points" in arrays:
            packed = arrays["zero_points"]
            points = np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)
            values = codes - np.repeat(points[..., : scales.shape[-1]].astype(np.float32), 32, axis=-1)
    else:
        values = codes.astype(np.float32) - 128
    return values * np.repeat(scales, 32, axis=-1)


def both(tiny: Tiny, tmp_path: Path, precision: Precision = Precision.OWN) -> list[tuple[np.ndarray, np.ndarray]]:
    """For the matrices of experts of the first layer what the folder has, and what the file."""
    folder = converted(tiny, tmp_path, precision)
    with GgufFile(tmp_path / "tiny.gguf") as file:
        decoder = Decoder(read_spec(file))
        source = SourceWeights(file, family_of(file).layout, decoder)
        return [
            (stored(folder, experts), expert_arrays(source, experts)["values"])
            for experts in decoder.layers[0].mlp.experts
        ]


@pytest.mark.parametrize(
    ("kind", "precision", "bits"),
    [
        (Kind.Q4_0, Precision.OWN, 4),
        (Kind.MXFP4, Precision.OWN, 4),
        (Kind.Q8_0, Precision.OWN, 8),
        (Kind.Q5_0, Precision.OWN, 8),
        (Kind.MXFP4, Precision.EIGHT_BITS, 8),
    ],
)
def test_weights_that_the_operator_takes_are_the_files_own(
    kind: Kind, precision: Precision, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fast(monkeypatch, is_fast=True)
    for found, expected in both(replace(MIXTURE, kind=Kind.Q8_0, expert_kind=kind), tmp_path, precision):
        np.testing.assert_array_equal(found, expected)
    folder = tmp_path / "model"
    tensors = {tensor.name: tensor for tensor in onnx.load(folder / MODEL, load_external_data=False).graph.initializer}
    assert tensors["layers.0.experts.in.codes"].dims[-1] == MIXTURE.hidden * bits // 8


@pytest.mark.parametrize(("kind", "most"), [(Kind.Q4_1, 0.09), (Kind.MXFP4, 0.08), (Kind.Q5_1, 0.006)])
def test_what_is_lost_by_fitting_is_told(kind: Kind, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fast(monkeypatch, is_fast=False)
    tiny, folder = replace(MIXTURE, layers=1, kind=Kind.Q8_0, expert_kind=kind), tmp_path / "told"
    folder.mkdir()
    (told,) = convert(tiny.write(tmp_path / "tiny.gguf"), folder, silent)
    (tmp_path / "again").mkdir()
    pairs = both(tiny, tmp_path / "again")
    lost, had = (
        sum(float(np.sum(values**2)) for values in of)
        for of in ([found - expected for found, expected in pairs], [expected for _, expected in pairs])
    )
    share = (lost / had) ** 0.5
    assert 0.001 < share < most
    assert f"off by {100 * share:.1f} %" in told
    assert ("8bit" in told) == (kind is not Kind.Q5_1)


def test_a_matrix_of_the_operator_has_one_form_for_all_members_of_a_layer(tmp_path: Path):
    tiny = replace(MIXTURE, hidden=256, feed_forward=256, layers=1, kind=Kind.Q8_0, expert_kind=Kind.Q6_K)
    with GgufFile(tiny.write(tmp_path / "tiny.gguf")) as file:
        source = SourceWeights(file, family_of(file).layout, Decoder(read_spec(file)))
        assert set(experts_module.choose_expert_forms(source, Precision.OWN).values()) == {EIGHT_BITS}
    tiny = replace(tiny, expert_kind=Kind.Q4_0)
    with GgufFile(tiny.write(tmp_path / "tiny.gguf")) as file:
        source = SourceWeights(file, family_of(file).layout, Decoder(read_spec(file)))
        assert set(experts_module.choose_expert_forms(source, Precision.OWN).values()) == {FOUR_BITS}
        assert set(experts_module.choose_expert_forms(source, Precision.EIGHT_BITS).values()) == {EIGHT_BITS}


@pytest.mark.parametrize("kind", [Kind.Q4_0, Kind.MXFP4])
@pytest.mark.parametrize("tiny", [MIXTURE, CLAMPED_MIXTURE], ids=lambda tiny: tiny.architecture)
def test_four_bits_follow_the_oracle(tiny: Tiny, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fast(monkeypatch, is_fast=True)
    tiny = replace(tiny, expert_kind=kind)
    folder, tokens = converted(tiny, tmp_path, Precision.FLOAT), some_tokens(tiny)
    with GgufFile(tmp_path / "tiny.gguf") as file:
        expected = reference.forward(file, tokens)
    for model in (MODEL, CPU_MODEL):
        logits, _ = run(session_of(folder, model), tokens)
        # MXFP4 meets activations of float32, integers those of 8 bits.
        assert relative_error(logits, expected) < (1e-4 if kind is Kind.MXFP4 else 0.06)


def test_the_operator_is_told_each_experts_row(tmp_path: Path):
    """It may not choose: it adds up in an order that depends on other tokens, and normalises whatever it is told."""
    folder = converted(MIXTURE, tmp_path)
    nodes = [node for node in onnx.load(folder / CPU_MODEL, load_external_data=False).graph.node]
    experts = [node for node in nodes if node.op_type == "QMoE"]
    assert len(experts) == MIXTURE.layers
    for node in experts:
        attributes = {entry.name: entry.i for entry in node.attribute}
        assert (attributes["k"], attributes["swiglu_fusion"]) == (1, 1)


@pytest.mark.parametrize("known", [True, False])
def test_an_older_runtime_is_not_told_what_it_refuses(known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("codex_windows_ai.models.blocks.expert_products.rounds_activations", lambda: known)
    nodes = onnx.load(converted(MIXTURE, tmp_path) / CPU_MODEL, load_external_data=False).graph.node
    names = {entry.name for node in nodes if node.op_type == "QMoE" for entry in node.attribute}
    assert ("accuracy_level" in names) == known


def test_this_runtime_is_tried_once_for_what_it_multiplies_fast():
    """What comes of it is the processor's; that the products themselves are sound is not."""
    assert hardware_experts.rounds_activations()
    assert isinstance(hardware_experts.multiplies_mxfp4(), bool)
    for form in (hardware_experts.FP4, hardware_experts.INTEGERS, hardware_experts.DENSE):
        assert hardware_experts._session(form).get_outputs()[0].shape == ["routes", 256]


@pytest.mark.parametrize("kind", [Kind.Q8_0, Kind.MXFP4])
def test_a_token_gets_the_same_bits_whatever_else_its_pass_reads(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fast(monkeypatch, is_fast=True)
    folder = converted(replace(MIXTURE, kind=Kind.Q8_0, expert_kind=kind), tmp_path)
    session = session_of(folder, CPU_MODEL)
    tokens = np.random.default_rng(5).integers(0, 250, (9, 1))
    together, _ = run(session, tokens)
    for first, last in ((0, 1), (2, 4), (3, 8)):
        found, _ = run(session, tokens[first:last])
        np.testing.assert_array_equal(found, together[first:last])


def test_gates_and_ups_of_one_tensor_are_those_of_two(tmp_path: Path):
    (tmp_path / "two").mkdir()
    two = converted(MIXTURE, tmp_path / "two")
    fused = replace(MIXTURE, fuses_experts=True)
    (tmp_path / "one").mkdir()
    one = converted(fused, tmp_path / "one")
    with GgufFile(tmp_path / "one" / "tiny.gguf") as file:
        assert "blk.0.ffn_gate_up_exps.weight" in file.tensors
    tokens = some_tokens(MIXTURE)
    np.testing.assert_array_equal(run(session_of(one), tokens)[0], run(session_of(two), tokens)[0])


def test_an_expert_that_all_tokens_read_is_added_by_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    family = Family("sharing", ("Sharing 1",), lambda metadata: metadata.decoder(metadata.layers_of_experts()))
    monkeypatch.setitem(FAMILIES, "sharing", family)
    hidden, width = MIXTURE.hidden, 32
    shapes = {"gate_inp": (hidden,), "gate": (width, hidden), "up": (width, hidden), "down": (hidden, width)}
    tiny = replace(
        MIXTURE,
        architecture="sharing",
        head_norms=False,
        extra={".expert_shared_feed_forward_length": width},
        more={f"blk.{n}.ffn_{part}_shexp.weight": shape for n in range(2) for part, shape in shapes.items()},
    )
    folder, tokens = converted(tiny, tmp_path, Precision.FLOAT), some_tokens(tiny)
    with GgufFile(tmp_path / "tiny.gguf") as file:
        expected = reference.forward(file, tokens)
    assert relative_error(run(session_of(folder), tokens)[0], expected) < 1e-4


def test_float32_reads_experts_for_calibration_and_judgement(tmp_path: Path):
    with GgufFile(CLAMPED_MIXTURE.write(tmp_path / "tiny.gguf")) as file:
        source = SourceWeights(file, family_of(file).layout, Decoder(read_spec(file)))
        tokens = some_tokens(CLAMPED_MIXTURE)
        expected = reference.forward(file, tokens)
        assert relative_error(float_logits(source, tokens[0].tolist()), expected) < 1e-4


def test_a_step_reads_the_experts_of_one_token(tmp_path: Path):
    few, all_of_them = (
        DecoderGraph(converted(replace(MIXTURE, used=used), made(tmp_path / str(used))) / CPU_MODEL).step_bytes
        for used in (2, 8)
    )
    an_expert = 3 * MIXTURE.hidden * MIXTURE.feed_forward * (1 + 4 / 32)
    assert all_of_them - few == pytest.approx(MIXTURE.layers * 6 * an_expert, rel=0.01)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("tiny", "named"),
    [
        (replace(MIXTURE, used=9), "of 8 experts 9 cannot read a token"),
        (replace(MIXTURE, feed_forward=48), "multiples of 32"),
        (replace(MIXTURE, extra={".expert_gating_func": 2}), "expert_gating_func"),
        (replace(MIXTURE, extra={".leading_dense_block_count": 1}), "leading_dense_block_count"),
        (replace(MIXTURE, more={"blk.0.exp_probs_b.bias": (8,)}), "exp_probs_b"),
        (replace(MIXTURE, sinks=True), "attn_sinks"),
    ],
)
def test_a_mixture_of_another_kind_is_refused_by_name(tiny: Tiny, named: str, tmp_path: Path):
    with pytest.raises(UnsupportedModelError, match=named):
        converted(tiny, tmp_path)


@pytest.mark.parametrize("name", ["ffn_up_exps.weight", "ffn_gate_inp.weight", "attn_sinks.weight"])
def test_a_missing_tensor_of_a_mixture_is_named(name: str, tmp_path: Path):
    with pytest.raises(ModelFileError, match=name):
        converted(replace(CLAMPED_MIXTURE, left_out=f"blk.1.{name}"), tmp_path)


def test_powers_beyond_float32_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fast(monkeypatch, is_fast=True)
    file = replace(MIXTURE, kind=Kind.Q8_0, expert_kind=Kind.MXFP4).write(tmp_path / "tiny.gguf")
    with GgufFile(file) as opened:
        offset = opened.tensors["blk.1.ffn_up_exps.weight"].offset
    raw = bytearray(file.read_bytes())
    raw[offset] = 255
    file.write_bytes(raw)
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelFileError, match=r"blk\.1\.ffn_up_exps\.weight"):
        convert(file, tmp_path / "model", silent)


def test_gpt_oss_goes_from_pair_to_pair_by_fractions(tmp_path: Path):
    """Its own configuration says `truncate: false`; other families' ramps begin and end at whole pairs."""
    with GgufFile(CLAMPED_MIXTURE.write(tmp_path / "tiny.gguf")) as file:
        (rope,) = read_spec(file).ropes
        whole = Hyperparameters(file).layers_of_experts()[0].attention.rope
    assert whole is not None
    assert rope.divisors != whole.divisors
    assert rope.magnitude == whole.magnitude
