"""Writes the experts of a decoder: in the file's own numbers where the operator takes them, fitted where not.

The operator takes all experts of a layer in one form, of 4 or 8 bits with a scale for 32 columns and nothing else, or
as MXFP4. So Q4_0, Q8_0 and their like keep their values; of K-quants, which have minima, smaller blocks or several
widths in one layer, blocks are made anew, and what that loses is told.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gguf.constants import GGMLQuantizationType as Kind
from onnx import TensorProto, helper

from codex_windows_ai.hardware.experts import multiplies_mxfp4
from codex_windows_ai.models.blocks.products import BLOCK_SIZE, BlockForm, FloatForm, Form, Fp4Form
from codex_windows_ai.models.convert.ahead import ahead
from codex_windows_ai.models.convert.fitting import fit
from codex_windows_ai.models.convert.repacking import REPACKINGS, pack, repack_mxfp4
from codex_windows_ai.models.convert.source import MOST_VALUE
from codex_windows_ai.models.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.weights import Experts
    from codex_windows_ai.models.convert.external_data import ExternalDataWriter
    from codex_windows_ai.models.convert.source import SourceWeights

    Array = NDArray[np.float32]
    _Raw = dict[str, NDArray[np.uint8]]
    """Rows of the members of one expert, as the file has them."""

FLOATS: Mapping[Kind, FloatForm] = {
    Kind.F32: FloatForm(TensorProto.FLOAT),
    Kind.F16: FloatForm(TensorProto.FLOAT16),
    Kind.BF16: FloatForm(TensorProto.BFLOAT16),
}
FOUR_BITS, EIGHT_BITS = BlockForm(4, BLOCK_SIZE), BlockForm(8, BLOCK_SIZE)
FITTED = BlockForm(4, BLOCK_SIZE, zero_points=True)
"""Of experts, zero points are packed as codes are."""
_MOST_BITS_OF_FOUR = 5.5
"""Experts that take fewer a weight in the file are fitted to 4 bits (Q4_K_M, of which some are of Q6_K, has 4.8)."""
_MOST_POWER = 226
"""Of MXFP4, as it is stored: beyond it products overflow."""


def choose_expert_forms(source: SourceWeights, precision: Precision) -> dict[str, Form]:
    """The form of the experts of each layer, by their names."""
    forms: dict[str, Form] = {}
    whole = _integer_form(source, precision)
    for layer in source.decoder.layers:
        kinds = {kind for experts in layer.mlp.experts for kind in _kinds(source, experts)}
        form = FITTED if whole == FOUR_BITS and kinds != {Kind.Q4_0} else whole
        if kinds == {Kind.MXFP4} and precision is not Precision.EIGHT_BITS and multiplies_mxfp4():
            form = Fp4Form()
        elif precision is Precision.FLOAT and kinds and kinds <= FLOATS.keys():
            form = FLOATS[kinds.pop()] if len(kinds) == 1 else FLOATS[Kind.F32]
        forms |= {experts.name: form for experts in layer.mlp.experts}
    return forms


def _integer_form(source: SourceWeights, precision: Precision) -> Form:
    """Of 4 bits where the file is about so small, and of 8 otherwise."""
    tensors = [source.expert_tensor(all_of, member) for all_of in source.decoder.experts for member in all_of.members]
    bits = 8 * sum(tensor.bytes for tensor in tensors)
    few = bits < _MOST_BITS_OF_FOUR * sum(tensor.rows * tensor.columns for tensor in tensors)
    return FOUR_BITS if few and precision is not Precision.EIGHT_BITS else EIGHT_BITS


def _kinds(source: SourceWeights, experts: Experts) -> list[Kind]:
    return [source.expert_tensor(experts, member).kind for member in experts.members]


def expert_arrays(source: SourceWeights, experts: Experts) -> dict[str, Array]:
    """The experts of a layer in float32: `values` [experts, rows, columns], and `bias` [experts, rows] if any."""
    arrays = {"values": np.stack([_values(source, experts, raw) for raw in _raw(source, experts)])}
    return arrays | ({"bias": source.expert_biases(experts)} if experts.biased else {})


def _raw(source: SourceWeights, experts: Experts) -> Iterator[_Raw]:
    """Expert by expert; reading is for one thread alone."""
    for number in range(experts.count):
        yield {member: source.expert_raw(experts, member, number) for member in experts.members}


def _values(source: SourceWeights, experts: Experts, raw: _Raw) -> Array:
    """[rows, columns] of one expert."""
    return _in_turns([source.expert_values(experts, member, rows) for member, rows in raw.items()])


def _in_turns(members: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Rows of several members, each [rows, …], one of each in turn."""
    return np.stack(members, axis=1).reshape(-1, *members[0].shape[1:])


class _Coded(NamedTuple):
    """A member of an expert: by their names, what is stored of it."""

    stored: dict[str, NDArray[Any]]
    lost: float = 0.0
    """The sum of the squares of what its weights are off by."""
    fitted: float = 0.0
    """The sum of the squares of its weights, where they had to be fitted."""


class ExpertWriter:
    """Writes experts from `source` to `output` in these forms, an expert at a time."""

    def __init__(self, source: SourceWeights, forms: Mapping[str, Form], output: ExternalDataWriter) -> None:
        self._source, self._forms, self._output = source, forms, output
        self._lost = self._fitted = 0.0
        self._bits = 0

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was lost, if anything was."""
        if not self._fitted:
            return ()
        off = 100 * (self._lost / self._fitted) ** 0.5
        more = ", and `--precision 8bit` keeps them nearer in twice the memory" if self._bits == FOUR_BITS.bits else ""
        return (
            f"experts were fitted to {self._bits} bits, as their operator takes them: their weights are off by "
            f"{off:.1f} % (root mean square){more}",
        )

    def write(self, pool: ThreadPoolExecutor, experts: Experts) -> None:
        """Writes the matrices of all experts of a layer, and their biases."""
        form = self._forms[experts.name]
        match form:
            case FloatForm():
                self._write_floats(pool, experts, form)
            case BlockForm() | Fp4Form():
                self._write_codes(pool, experts, form)
        if experts.biased:
            self._output.add(f"{experts.name}.bias", self._source.expert_biases(experts))

    def _write_floats(self, pool: ThreadPoolExecutor, experts: Experts, form: FloatForm) -> None:
        kind = helper.tensor_dtype_to_np_dtype(form.type)
        self._output.begin(f"{experts.name}.values", kind, (experts.count, experts.rows, experts.columns))
        for values in ahead(pool, partial(_values, self._source, experts), _raw(self._source, experts)):
            self._output.write(values.astype(kind))

    def _write_codes(self, pool: ThreadPoolExecutor, experts: Experts, form: BlockForm | Fp4Form) -> None:
        """The codes of all experts, and behind them what belongs to blocks."""
        of_blocks: defaultdict[str, list[NDArray[Any]]] = defaultdict(list)
        bits = form.bits if isinstance(form, BlockForm) else 4
        shape = (experts.count, experts.rows, experts.columns * bits // 8)
        self._output.begin(f"{experts.name}.codes", np.dtype(np.uint8), shape)
        for members in ahead(pool, partial(self._coded, experts, form), _raw(self._source, experts)):
            for name in members[0].stored:
                values = _in_turns([member.stored[name] for member in members])
                if name == "codes":
                    self._output.write(values)
                else:
                    of_blocks[name].append(values)
            self._lost += sum(member.lost for member in members)
            self._fitted += sum(member.fitted for member in members)
        self._bits = bits
        for name, arrays in of_blocks.items():
            self._output.add(f"{experts.name}.{name}", np.stack(arrays))

    def _coded(self, experts: Experts, form: BlockForm | Fp4Form, raw: _Raw) -> list[_Coded]:
        """The members of one expert."""
        return [self._member(experts, form, member, rows) for member, rows in raw.items()]

    def _member(self, experts: Experts, form: BlockForm | Fp4Form, member: str, raw: NDArray[np.uint8]) -> _Coded:
        if isinstance(form, Fp4Form):
            codes, powers = repack_mxfp4(raw)
            if (powers.view(np.uint8) > _MOST_POWER).any():
                raise self._source.expert_not_finite(experts, member)
            return _Coded({"codes": codes, "scales": powers})
        repacking = REPACKINGS.get(self._source.expert_tensor(experts, member).kind)
        if repacking and repacking.form == replace(form, zero_points=False):
            blocks = repacking.blocks(raw)
            if not (np.abs(blocks.scales) <= MOST_VALUE).all():
                raise self._source.expert_not_finite(experts, member)
            middles = np.full_like(blocks.scales, 1 << (form.bits - 1), np.uint8)
            return _Coded(_stored(form, blocks.codes, blocks.scales, middles))
        values = self._source.expert_values(experts, member, raw)
        codes, scales, zero_points, lost = fit(values, form)
        stored = _stored(form, codes, scales, zero_points)
        return _Coded(stored, lost, float(np.square(values, dtype=np.float64).sum()))


def _stored(
    form: BlockForm, codes: NDArray[np.uint8], scales: Array, zero_points: NDArray[np.uint8]
) -> dict[str, NDArray[Any]]:
    stored: dict[str, NDArray[Any]] = {"codes": pack(codes, form), "scales": scales}
    if form.zero_points:
        odd = zero_points.shape[1] % 2
        stored["zero_points"] = pack(np.pad(zero_points, ((0, 0), (0, odd))), form)
    return stored
