"""Writes the weights of a decoder as the initializers that its graphs read, one slice of a tensor at a time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gguf.constants import GGMLQuantizationType as Kind
from onnx import TensorProto, helper

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.blocks import spreading
from codex_windows_ai.models.blocks.products import ROUNDED, BlockForm, FloatForm, Form, Fp4Form
from codex_windows_ai.models.convert.ahead import WORKERS, ahead
from codex_windows_ai.models.convert.experts import FLOATS, ExpertWriter, choose_expert_forms
from codex_windows_ai.models.convert.external_data import ALIGNMENT, ExternalDataWriter
from codex_windows_ai.models.convert.quantization import QuantizedRows, quantize_rows, quantize_whole_rows
from codex_windows_ai.models.convert.repacking import REPACKINGS, pack
from codex_windows_ai.models.convert.source import MOST_VALUE, SourceWeights
from codex_windows_ai.models.precision import Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.decoder import Decoder
    from codex_windows_ai.models.blocks.weights import Matrix, Vector
    from codex_windows_ai.models.progress import Progress

_SPARE_TABLE_BYTES = 1 << 29
"""Enough for a window of a million tokens beside weights of any size."""


@dataclass(frozen=True, slots=True)
class StoredForms:
    """How each matrix of a decoder is stored."""

    by_name: Mapping[str, Form]
    smoothed: bool
    """All but small ones are rounded here, so that their norms may be smoothed."""
    whole_rows: frozenset[str] = frozenset()
    """Names of those that are spread and rounded with one scale a row, so that they can be multiplied as integers."""


def choose_forms(source: SourceWeights, precision: Precision) -> StoredForms:
    """The form of each matrix."""
    decoder = source.decoder
    known: dict[Kind, Form] = {}
    if precision is not Precision.EIGHT_BITS:
        known |= {kind: repacking.form for kind, repacking in REPACKINGS.items()}
    if precision is Precision.FLOAT:
        known |= FLOATS
    forms = {
        matrix.name: FloatForm(TensorProto.FLOAT) if matrix.chooses else known.get(source.kind(matrix), ROUNDED)
        for matrix in decoder.matrices
    }
    smoothed = all(forms[matrix.name] == ROUNDED or matrix.chooses for matrix in decoder.matrices)
    forms |= choose_expert_forms(source, precision)
    forms.setdefault(decoder.head.matrix.name, forms[decoder.embedding.matrix.name])  # tied
    is_dense = not decoder.experts  # the norms that experts read keep their scale, and so do all
    whole_rows = _whole_rows(decoder) if precision is Precision.EIGHT_BITS and is_dense else frozenset[str]()
    return StoredForms(forms, smoothed and is_dense, whole_rows)


def _whole_rows(decoder: Decoder) -> frozenset[str]:
    """All of the layers; but a single block, turned for a single token, has other bits than for several."""
    matrices = (matrix for layer in decoder.layers for matrix in layer.matrices)
    return frozenset(matrix.name for matrix in matrices if matrix.columns > spreading.BLOCK and not matrix.chooses)


def stored_bytes(decoder: Decoder, forms: StoredForms) -> int:
    """Bytes of its weights that the folder will have, rounded up."""
    return sum(
        math.ceil(matrix.rows * matrix.columns * forms.by_name[matrix.name].bytes_per_value) + 6 * ALIGNMENT
        for matrix in decoder.matrices
    ) + sum(
        math.ceil(experts.size * forms.by_name[experts.name].bytes_per_value) + 4 * ALIGNMENT
        for experts in decoder.experts
    )


def matrix_count(decoder: Decoder) -> int:
    """How many matrices are written; those of a layer's experts count as one."""
    return len(decoder.matrices) + len(decoder.experts)


def memory_bytes(decoder: Decoder, forms: StoredForms) -> int:
    """Bytes of memory that the loaded model will take, without keys and values; of tables only rows are read."""
    loaded = sum(
        matrix.rows * matrix.columns * forms.by_name[matrix.name].loaded_bytes_per_value
        for matrix in decoder.multiplied
    )
    loaded += sum(experts.size * forms.by_name[experts.name].loaded_bytes_per_value for experts in decoder.experts)
    return math.ceil(loaded) + _table_bytes(decoder)


def token_bytes(decoder: Decoder) -> int:
    """Bytes of the float32 keys and values of one token."""
    return sum(4 * attention.kept_size for attention in decoder.spec.attentions)


def state_bytes(decoder: Decoder) -> int:
    """Bytes of what layers without keys and values remember of a sequence, in float32."""
    shapes = (shape for layer in decoder.layers for shape in layer.attention.past.values())
    return sum(
        4 * math.prod(size for size in shape if isinstance(size, int)) for shape in shapes if "past" not in shape
    )


def check_window(decoder: Decoder, forms: StoredForms, name: str) -> None:
    """Holds the window, for whose every position there are cosines and sines, against the weights.

    Raises ModelFileError: it is out of all proportion to them.
    """
    tables, weights = _table_bytes(decoder), stored_bytes(decoder, forms)
    if tables > max(weights, _SPARE_TABLE_BYTES):
        raise ModelFileError(
            f"{name}: a `context_length` of {decoder.spec.context_length} takes {tables:,} bytes of cosines and sines, "
            f"beside {weights:,} bytes of weights; that is no model's.",
            hint="Fetch the file again.",
        )


def _table_bytes(decoder: Decoder) -> int:
    return sum(decoder.spec.context_length * rope.size * 4 for rope in decoder.rotary)


@dataclass(frozen=True, slots=True)
class WeightWriter:
    """Writes the weights of a decoder from `source` to `output`; `factors` are those of `calibration`, or none."""

    source: SourceWeights
    forms: StoredForms
    factors: Mapping[Vector, NDArray[np.float32]]
    output: ExternalDataWriter

    @property
    def decoder(self) -> Decoder:
        """Whose weights these are."""
        return self.source.decoder

    def write(self, progress: Progress) -> tuple[str, ...]:
        """Writes everything; `progress` counts matrices. Returns what who uses the model should know."""
        self._write_vectors()
        matrices, total = self.decoder.matrices, matrix_count(self.decoder)
        experts = ExpertWriter(self.source, self.forms.by_name, self.output)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="convert") as pool:
            for done, matrix in enumerate(matrices):
                progress("convert", done, total)
                match self.forms.by_name[matrix.name]:
                    case FloatForm() as form:
                        self._write_floats(matrix, form)
                    case BlockForm() as form if form == ROUNDED:
                        self._write_rounded(pool, matrix)
                    case BlockForm():
                        self._write_repacked(pool, matrix)
                    case Fp4Form():
                        raise TypeError(f"{matrix.name} is no matrix of experts")
            for done, matrix in enumerate(self.decoder.experts, len(matrices)):
                progress("convert", done, total)
                experts.write(pool, matrix)
        self._alias_tables()
        return experts.remarks

    def _write_vectors(self) -> None:
        """Norms, divided by their smoothing factors, and biases, all float32."""
        for vector in self.decoder.vectors:
            values = self.source.vector(vector)
            factors = self.factors.get(vector)
            self.output.add(vector.name, values if factors is None else values / factors)
            if factors is not None and self.decoder.embedding.matrix.norm == vector:
                self.output.add(f"{self.decoder.embedding.matrix.name}.unsmoothing", 1 / factors)

    def _write_floats(self, matrix: Matrix, form: FloatForm) -> None:
        kind = helper.tensor_dtype_to_np_dtype(form.type)
        self.output.begin(f"{matrix.name}.values", kind, (matrix.rows, matrix.columns))
        factors = self._factors(matrix)
        for values in self.source.slices(matrix):
            self.output.write((values * factors).astype(kind))

    def _factors(self, matrix: Matrix) -> NDArray[np.float32]:
        """What its columns are multiplied by."""
        return self.factors[matrix.norm] if self.factors and matrix.norm else np.ones(1, np.float32)

    def _begin_codes(self, matrix: Matrix, form: BlockForm) -> None:
        shape = (matrix.rows, matrix.columns // form.block_size, form.packed_bytes)
        self.output.begin(f"{matrix.name}.codes", np.dtype(np.uint8), shape)

    def _write_rounded(self, pool: ThreadPoolExecutor, matrix: Matrix) -> None:
        """Quantises slice by slice; scales and zero points follow the codes, which stream."""
        factors = self._factors(matrix)
        whole_rows = matrix.name in self.forms.whole_rows
        quantize = quantize_whole_rows if whole_rows else quantize_rows

        def rounded(values: NDArray[np.float32]) -> QuantizedRows:
            scaled = values * factors
            return quantize(spreading.spread_weights(scaled) if whole_rows else scaled)

        scales: list[NDArray[np.float32]] = []
        zero_points: list[NDArray[np.uint8]] = []
        self._begin_codes(matrix, ROUNDED)
        for quantized in ahead(pool, rounded, self.source.slices(matrix)):
            self.output.write(quantized.codes)
            scales.append(quantized.scales)
            zero_points.append(quantized.zero_points)
        self.output.add(f"{matrix.name}.scales", np.concatenate(scales))
        self.output.add(f"{matrix.name}.zero_points", np.concatenate(zero_points))
        if whole_rows:
            self.output.alias(f"{matrix.name}.rows", f"{matrix.name}.codes", (matrix.rows, matrix.columns))
            self.output.add(f"{matrix.name}.row_scales", np.concatenate(scales)[:, 0])

    def _write_repacked(self, pool: ThreadPoolExecutor, matrix: Matrix) -> None:
        """Packs the codes of the file anew, slice by slice; what belongs to blocks follows them."""
        form, blocks_of = REPACKINGS[self.source.kind(matrix)]

        def packed(raw: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
            blocks = blocks_of(raw)
            return pack(blocks.codes, form), blocks.beside_codes()

        slices: defaultdict[str, list[NDArray[Any]]] = defaultdict(list)
        self._begin_codes(matrix, form)
        for codes, of_blocks in ahead(pool, packed, self.source.raw_slices(matrix)):
            self.output.write(codes)
            for name, values in of_blocks.items():
                if not (np.abs(values.astype(np.float32)) <= MOST_VALUE).all():
                    raise self.source.not_finite(matrix)
                slices[name].append(values)
        for name, of_slices in slices.items():
            self.output.add(f"{matrix.name}.{name}", np.concatenate(of_slices))

    def _alias_tables(self) -> None:
        """Shows tables in the shape of GatherBlockQuantized, and a tied embedding again as the head's matrix."""
        embedding, head = self.decoder.embedding.matrix, self.decoder.head.matrix
        for table in self.decoder.tables:
            form = self.forms.by_name[table.name]
            if isinstance(form, BlockForm):
                row_bytes = table.columns // form.block_size * form.packed_bytes
                self.output.alias(f"{table.name}.rows", f"{table.name}.codes", (table.rows, row_bytes))
        if self.decoder.spec.tied_embeddings:
            for tensor in self.output.tensors_of(embedding.name):
                suffix = tensor.name.removeprefix(f"{embedding.name}.")
                if suffix not in ("rows", "unsmoothing"):
                    self.output.alias(f"{head.name}.{suffix}", tensor.name, tuple(tensor.dims))
