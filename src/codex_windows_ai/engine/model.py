"""One ONNX Runtime session, driven directly: a forward pass over slots of a pool.

The pool binds its memory as past and present (`kv/pool.py`); this binds everything else and runs.
What the graph must look like is `models/convert/graph.py`; any decoder in the ONNX Runtime GenAI format
with `input_ids`, `attention_mask`, shared past and present, and `logits` runs as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from codex_windows_ai.engine.kv.half_precision import half_precision_graph
from codex_windows_ai.engine.kv.pool import (
    KeysAndValues,
    KVPool,
    KVPrefix,
    KVSpec,
    LayerNames,
    LayerState,
    RecurrentState,
    StatePart,
)
from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.hardware.inference import first_line
from codex_windows_ai.hardware.memory import own_memory, return_freed_memory
from codex_windows_ai.hardware.onnx_runtime import onnxruntime
from codex_windows_ai.models.decoder_graph import (
    LOGITS_TO_KEEP,
    PAST_CONV,
    PAST_STATE,
    PIECE_KEY,
    PIECE_LENGTH,
    PIECE_PAST,
    PIECE_PRESENT_KEY,
    PIECE_PRESENT_VALUE,
    PIECE_VALUE,
    PRESENT_CONV,
    PRESENT_STATE,
    SHARED_KEY,
    SHARED_LENGTH,
    SHARED_VALUE,
)
from codex_windows_ai.models.folder import EXACT_SUMS, ModelFolder

Logits = npt.NDArray[np.float32]
ConfigureSession = Callable[[Any], None]
"""Is given ONNX Runtime's SessionOptions before the model is loaded, to choose a device."""

_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,  # two numbers of four bits
}
_POSITIONS = "position_ids"
_STATES = ((PAST_CONV, PRESENT_CONV, False), (PAST_STATE, PRESENT_STATE, True))
"""What a recurrent layer may keep: past and present, and whether one operator reads and writes it."""
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
"""A session's configuration entry: where the weights of a graph lie that is handed over as bytes."""
_BRIEF_SPINNING = ("session.intra_op.spin_duration_us", "20")
"""A session's configuration entry: microseconds that a thread without work watches for more before it sleeps.

Between two operators of a pass there is more at once; between two passes another program may have the processor. By
default threads watch for milliseconds; docs/engine.md has what was measured.
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a prompt: `tokens` behind the first `past` ones of a slot of `pool`."""

    pool: KVPool
    slot: int
    tokens: Sequence[int]
    past: int


class Model:
    """A loaded decoder of `folder`: its graph for the CPU, or its portable one where a device is chosen, or `file`.

    With `half_precision` it is the portable one, with float16 keys and values in the place of float32.

    Raises ModelFileError: ONNX Runtime cannot load the file.
    Raises UnsupportedModelError: it loads, but its inputs or outputs are not those of a decoder.
    """

    shared_length = SHARED_LENGTH

    def __init__(
        self,
        folder: ModelFolder,
        *,
        file: Path | None = None,
        threads: int | None = None,
        configure_session: ConfigureSession | None = None,
        half_precision: bool = False,
    ) -> None:
        portable = half_precision or configure_session is not None
        self.file = file or (folder.model_file if portable else folder.cpu_model_file)
        self.threads = engine_threads(folder, threads)
        graph = half_precision_graph(self.file, folder) if half_precision else None
        before = own_memory()
        self._session = _load(self.file, self.threads, configure_session, graph)
        return_freed_memory()  # of scales and tables that were computed while it loaded
        self.loaded_bytes = max(own_memory() - before, 0)
        """Main memory that loading took, beside what stays in the model's files."""
        self.computes_in_host_memory = configure_session is None
        """Only the CPU runs it: past and present may be the same memory."""
        self.execution_provider: str = self._session.get_providers()[0]
        self.spec, self.names, self.state_names = self._read_state(folder)
        """What it remembers, and the names of that in the graph."""
        self.vocabulary_size, self._logits_type = self._read_logits(folder)
        optional = {str(value.name) for value in self._session.get_overridable_initializers()}
        self._keeps_logits = LOGITS_TO_KEEP in optional
        self._positions = self._read_positions()
        self.shares_prefixes: bool = SHARED_LENGTH in optional
        """Whether `forward` takes a prefix."""
        self.takes_pieces: bool = PIECE_LENGTH in optional and self.computes_in_host_memory
        """Whether `forward` takes a piece."""
        self._keep: dict[int, npt.NDArray[np.int64]] = {}
        self.forward_passes = 0

    def forward(
        self,
        pool: KVPool,
        first: int,
        tokens: npt.NDArray[np.int64],
        past: Sequence[int],
        *,
        keep: int = 1,
        prefix: KVPrefix | None = None,
        piece: Piece | None = None,
    ) -> Logits:
        """Runs `tokens` [batch, new] after `past` [batch] tokens of the pool's slots from `first` on.

        Their keys and values are written behind the past. Returns the logits of the last `keep`
        positions, [batch, keep, vocabulary]. A batch larger than one takes one new token a slot.
        With `prefix`, which `past` includes, every slot's first tokens are read from there, in passes
        with one new token a slot. In these it may also read a `piece`, whose last position's logits are then the
        last, [batch + 1, 1, vocabulary]. To the last bit all is as in passes of their own.
        """
        batch, new = tokens.shape
        lengths = np.asarray(past, dtype=np.int64) + new - len(prefix or ())
        mask = (np.arange(int(lengths.max())) < lengths[:, None]).astype(np.int64)
        rows = batch
        if piece is not None:  # one sequence: the piece, and then the batch's tokens
            tokens = np.array([[*piece.tokens, *tokens[:, 0]]], dtype=np.int64)
            rows, keep = 1, batch + 1
        kept = keep if self._keeps_logits else tokens.shape[1]
        logits = np.empty((rows, kept, self.vocabulary_size), dtype=self._logits_type)
        binding = pool.bind(self, first, past, new, prefix, piece and (piece.pool, piece.slot))
        io = binding.io
        io.bind_cpu_input("input_ids", np.ascontiguousarray(tokens))
        io.bind_cpu_input("attention_mask", mask)
        if self._positions is not None:
            io.bind_cpu_input(_POSITIONS, _positions(past, new, self._positions))
        if self._keeps_logits:
            _bind_number(io, LOGITS_TO_KEEP, self._kept(keep))
        if piece is not None:
            sizes = np.array([[len(piece.tokens)], [piece.past]], dtype=np.int64)  # must outlive the pass
            _bind_number(io, PIECE_LENGTH, sizes[0])
            _bind_number(io, PIECE_PAST, sizes[1])
        io.bind_output("logits", "cpu", 0, self._logits_type, logits.shape, logits.ctypes.data)
        self._session.run_with_iobinding(io)
        binding.finish()
        self.forward_passes += 1
        found = logits[:, -keep:].astype(np.float32, copy=False)
        return found if piece is None else np.roll(found[0], -1, axis=0)[:, None]

    def io_binding(self) -> Any:
        """A new binding of the session."""
        return self._session.io_binding()

    def end_profile(self) -> Path:
        """Ends the profile that `configure_session` asked for; where ONNX Runtime wrote it."""
        return Path(self._session.end_profiling())

    def _kept(self, keep: int) -> npt.NDArray[np.int64]:
        """`keep` as the optional input; it must outlive the pass."""
        if keep not in self._keep:
            self._keep[keep] = np.array([keep], dtype=np.int64)
        return self._keep[keep]

    def _read_state(self, folder: ModelFolder) -> tuple[KVSpec, tuple[LayerNames, ...], tuple[tuple[str, str], ...]]:
        """Layer by layer, of the inputs that the folder or our own converter names; one that has none keeps nothing."""
        inputs: dict[str, Any] = {value.name: value for value in self._session.get_inputs()}
        outputs: dict[str, Any] = {value.name: value for value in self._session.get_outputs()}
        states: list[LayerState] = []
        names: list[LayerNames] = []
        state_names: list[tuple[str, str]] = []
        for layer in range(folder.layers):
            past = (folder.past_key_names % layer, folder.past_value_names % layer)
            if past[0] in inputs:
                present = (folder.present_key_names % layer, folder.present_value_names % layer)
                states.append(self._keys_and_values(inputs[past[0]], folder))
                names.append(_layer_names(layer, past, present))
                continue
            found = [(old % layer, new % layer, once) for old, new, once in _STATES if old % layer in inputs]
            parts = tuple(self._state_part(inputs[old], in_place=once) for old, _, once in found)
            states.append(RecurrentState(parts) if parts else None)
            state_names += [(old, new) for old, new, _ in found]
        read = {"input_ids", "attention_mask", *(name for layer in names for name in layer.past)}
        read.update(past for past, _ in state_names)
        written = {"logits", *(name for layer in names for name in layer.present), *(new for _, new in state_names)}
        if not names or not (read <= inputs.keys() <= read | {_POSITIONS} and written <= outputs.keys()):
            wanted = ["attention_mask", "input_ids", folder.past_key_names % 0]
            raise UnsupportedModelError(
                f"{self.file} is not a decoder this engine can drive: inputs {sorted(inputs)[:6]}…, "
                f"outputs {sorted(outputs)[:3]}…; needed are {wanted}, no others but `{_POSITIONS}`, and `logits`."
            )
        return KVSpec(tuple(states)), tuple(names), tuple(state_names)

    def _state_part(self, past: Any, *, in_place: bool) -> StatePart:
        """One array of a recurrent layer, [batch, ...]."""
        if past.type != "tensor(float)" or not all(isinstance(size, int) for size in past.shape[1:]):
            raise UnsupportedModelError(
                f"{self.file} keeps `{past.name}` as {past.type} {past.shape}; needed is tensor(float), with all sizes "
                "but the first as numbers."
            )
        return StatePart(tuple(past.shape[1:]), np.dtype(np.float32), in_place)

    def _keys_and_values(self, past: Any, folder: ModelFolder) -> KeysAndValues:
        if past.type not in _TYPES:
            raise UnsupportedModelError(
                f"{self.file} keeps its keys and values as {past.type}; supported: {', '.join(_TYPES)}."
            )
        if len(past.shape) != 4 or (sizes := folder.kv_heads_and_size(*past.shape[1::2])) is None:
            raise UnsupportedModelError(
                f"{self.file} keeps its keys and values as {past.shape}; needed is [batch, heads, past, head size], "
                "with heads and head size as numbers, there or in the folder's configuration."
            )
        return KeysAndValues(*sizes, np.dtype(_TYPES[past.type]))

    def _read_positions(self) -> tuple[int, ...] | None:
        """The sizes before [batch, new] of where tokens stand; None where the graph counts itself.

        Models that see pictures have three numbers for each token, which in a text are the same.
        """
        found = [value.shape for value in self._session.get_inputs() if value.name == _POSITIONS]
        if not found:
            return None
        if len(found[0]) not in (2, 3) or not all(isinstance(size, int) for size in found[0][:-2]):
            raise UnsupportedModelError(
                f"{self.file} wants `{_POSITIONS}` as {found[0]}; supported are [batch, new] and [3, batch, new]."
            )
        return tuple(found[0][:-2])

    def _read_logits(self, folder: ModelFolder) -> tuple[int, type[np.generic]]:
        """Size of the vocabulary, and the type of what its tokens are weighed by."""
        logits = next(value for value in self._session.get_outputs() if value.name == "logits")
        if logits.type not in _TYPES or not logits.shape or not isinstance(logits.shape[-1], int):
            raise UnsupportedModelError(
                f"{self.file} answers with {logits.type} {logits.shape}; needed are {', '.join(_TYPES)}, with the size "
                "of the vocabulary as a number at the end."
            )
        size = int(logits.shape[-1])
        if outside := [token for token in folder.eos_token_ids if token >= size]:
            raise ModelFileError(
                f"The token {outside[0]} is to end answers, but the vocabulary of {self.file} has {size} tokens."
            )
        return size, _TYPES[logits.type]


def engine_threads(folder: ModelFolder, wanted: int | None) -> int:
    """The threads that a model runs with: so many, or the physical cores.

    With more threads than heads ONNX Runtime splits one head's attention between threads, and what a token gets would
    depend on how many sequences share the pass.
    """
    return min(wanted or psutil.cpu_count(logical=False) or os.cpu_count() or 1, folder.heads)


def _layer_names(layer: int, past: tuple[str, str], present: tuple[str, str]) -> LayerNames:
    shared = (SHARED_KEY % layer, SHARED_VALUE % layer)
    piece_past = (PIECE_KEY % layer, PIECE_VALUE % layer)
    piece_present = (PIECE_PRESENT_KEY % layer, PIECE_PRESENT_VALUE % layer)
    return LayerNames(past, present, shared, piece_past, piece_present)


def _bind_number(io: Any, name: str, value: npt.NDArray[np.int64]) -> None:
    """Binds an optional input, int64 [1], whose memory must outlive the pass."""
    io.bind_input(name, "cpu", 0, np.int64, (1,), value.ctypes.data)


def _positions(past: Sequence[int], new: int, streams: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Where new tokens stand: [*streams, batch, new]."""
    rows: npt.NDArray[np.int64] = np.asarray(past, dtype=np.int64)[:, None] + np.arange(new, dtype=np.int64)
    return np.tile(rows, (*streams, 1, 1))


def _load(file: Path, threads: int, configure_session: ConfigureSession | None, graph: bytes | None = None) -> Any:
    """A session over `file`, or over a `graph` whose weights lie beside it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # a failure is reported by us, once
    options.add_session_config_entry(*_BRIEF_SPINNING)
    # It would keep a plan of memory for every shape that it ever saw, and each length of a past is one.
    options.enable_mem_pattern = False
    try:
        if configure_session is None:
            options.add_session_config_entry(*EXACT_SUMS)
            providers = ["CPUExecutionProvider"]
        else:
            configure_session(options)
            providers = None
        if graph is not None:
            options.add_session_config_entry(_WEIGHTS_FOLDER, str(file.parent))
        return onnxruntime.InferenceSession(graph or str(file), options, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        if isinstance(error, MemoryError) or "bad_alloc" in str(error):
            raise UnsupportedModelError(
                f"There is not enough memory to load {file}.",
                hint="Close other programs, raise the limit if there is one (`ulimit -v`), or use a smaller model.",
            ) from error
        raise ModelFileError(
            f"ONNX Runtime cannot load {file}: {first_line(error)}",
            hint="`cwai models verify` checks an installed model's files; `cwai models remove` and a new "
            "`cwai exec` fetch the default one again.",
        ) from error
