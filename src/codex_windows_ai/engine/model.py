"""One ONNX Runtime session, driven directly: a forward pass over rows of keys and values.

On the CPU the session reads and writes the rows' own memory through IO binding, so a pass copies no cache. Other
devices have memory of their own: there past and present cross over with every pass, as long as they are.
What the graph must look like is `models/graph.py`; any decoder in the ONNX Runtime GenAI format
with `input_ids`, `attention_mask`, shared past and present, and `logits` runs as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import psutil

from codex_windows_ai.engine.kv.host_pool import HostPool, KVSpec
from codex_windows_ai.engine.kv.shared_prefix import SharedPrefix
from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.folder import EXACT_SUMS

Logits = npt.NDArray[np.float32]
ConfigureSession = Callable[[Any], None]
"""Is given ONNX Runtime's SessionOptions before the model is loaded, to choose a device."""

_CACHE_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
}
_LOGITS_TO_KEEP = "logits_to_keep"
_BOUND_GENERATIONS = 2  # the sequences' rows, and the row in which prompts behind a shared prefix are read

# ONNX Runtime ships no type information; this is the only place of the engine that touches it.
_runtime = cast("Any", ort)


class Model:
    """A loaded decoder, from `file`. `heads` is its number of attention heads, which bounds the threads.

    Without `configure_session` the CPU runs it.

    Raises ModelFileError: ONNX Runtime cannot load the file.
    Raises UnsupportedModelError: it loads, but its inputs or outputs are not those of a decoder.
    """

    def __init__(
        self,
        file: Path,
        *,
        heads: int,
        threads: int | None = None,
        configure_session: ConfigureSession | None = None,
    ) -> None:
        options = _runtime.SessionOptions()
        wanted = threads or psutil.cpu_count(logical=False) or os.cpu_count() or 1
        # With more threads than heads ONNX Runtime splits one head's attention between threads, and what a
        # token gets would depend on how many sequences share the pass.
        options.intra_op_num_threads = min(wanted, heads)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.threads: int = options.intra_op_num_threads
        try:
            if configure_session is None:
                options.add_session_config_entry(*EXACT_SUMS)
                self._session = _runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            else:
                configure_session(options)
                self._session = _runtime.InferenceSession(str(file), options)
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise ModelFileError(
                f"ONNX Runtime cannot load {file}: {error}",
                hint="`cwai models verify` checks an installed model's files; `cwai models remove` and a new "
                "`cwai exec` fetch the default one again.",
            ) from error
        self.execution_provider: str = self._session.get_providers()[0]
        self._in_place = configure_session is None
        self.file = file
        self.shape = self._read_shape(file)
        self._outputs: list[Any] = self._session.get_outputs()
        self.vocabulary_size = int(self._outputs[0].shape[-1])
        optional = {str(value.name) for value in self._session.get_overridable_initializers()}
        self._keeps_logits = _LOGITS_TO_KEEP in optional
        self.shares_prefixes: bool = "shared_length" in optional
        """Whether `forward` takes a prefix."""
        self._keep: dict[int, Any] = {}
        self._bindings: dict[int, dict[tuple[int, int, SharedPrefix | None], Any]] = {}
        self.forward_passes = 0

    def forward(
        self,
        rows: HostPool,
        first: int,
        tokens: npt.NDArray[np.int64],
        past: Sequence[int],
        *,
        keep: int = 1,
        prefix: SharedPrefix | None = None,
    ) -> Logits:
        """Runs `tokens` [batch, new] after `past` [batch] tokens of the rows from `first` on.

        Their keys and values are written behind the past. Returns the logits of the last `keep`
        positions, [batch, keep, vocabulary]. A batch larger than one takes one new token a row.
        With `prefix`, which `past` includes, every row's first tokens are read from there, in passes
        with one new token a row.
        """
        lengths = np.asarray(past, dtype=np.int64) + tokens.shape[1] - len(prefix or ())
        mask = (np.arange(int(lengths.max())) < lengths[:, None]).astype(np.int64)
        if self._in_place:
            logits = self._forward_in_place(rows, first, tokens, mask, keep, prefix)
        else:
            logits = self._forward_copying(rows, first, tokens, past, mask, keep)
        self.forward_passes += 1
        return logits[:, -keep:]

    def _forward_in_place(
        self,
        rows: HostPool,
        first: int,
        tokens: npt.NDArray[np.int64],
        mask: npt.NDArray[np.int64],
        keep: int,
        prefix: SharedPrefix | None,
    ) -> Logits:
        """As `forward`, where past and present are the memory of the rows; may return more positions than `keep`."""
        batch, new = tokens.shape
        kept = keep if self._keeps_logits else new
        logits = np.empty((batch, kept, self.vocabulary_size), dtype=np.float32)
        binding = self._binding(rows, first, batch, prefix)
        binding.bind_cpu_input("input_ids", np.ascontiguousarray(tokens))
        binding.bind_cpu_input("attention_mask", mask)
        if self._keeps_logits:
            binding.bind_ortvalue_input(_LOGITS_TO_KEEP, self._kept(keep))
        binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        self._session.run_with_iobinding(binding)
        return logits

    def _forward_copying(
        self,
        rows: HostPool,
        first: int,
        tokens: npt.NDArray[np.int64],
        past: Sequence[int],
        mask: npt.NDArray[np.int64],
        keep: int,
    ) -> Logits:
        """As `forward`, where past and present cannot share memory; may return more positions than `keep`.

        The past is then as long as its longest row, not as the rows are: a provider that is handed more takes
        what lies behind for tokens.
        """
        batch, new = tokens.shape
        longest = max(past)
        feeds: dict[str, npt.NDArray[Any]] = {"input_ids": np.ascontiguousarray(tokens), "attention_mask": mask}
        if self._keeps_logits:
            feeds[_LOGITS_TO_KEEP] = np.array([keep], dtype=np.int64)
        for index, layer in enumerate(rows.layers):
            for part, name in enumerate(("key", "value")):
                view = layer[part, first : first + batch, :, :longest]
                feeds[f"past_key_values.{index}.{name}"] = np.ascontiguousarray(view)
        names = [str(output.name) for output in self._outputs]
        found: dict[str, npt.NDArray[Any]] = dict(zip(names, self._session.run(names, feeds), strict=True))
        for index, layer in enumerate(rows.layers):
            for part, name in enumerate(("key", "value")):
                present = found[f"present.{index}.{name}"]
                for row, length in enumerate(past):
                    added = slice(length, length + new)
                    layer[part, first + row, :, added] = present[row, :, added]
        return np.asarray(found["logits"], dtype=np.float32)

    def forget_prefix(self) -> None:
        """Lets go of the memory of prefixes that `forward` was given."""
        for generation, bindings in self._bindings.items():
            self._bindings[generation] = {key: binding for key, binding in bindings.items() if key[2] is None}

    def end_profile(self) -> Path:
        """Ends the profile that `configure_session` asked for; where ONNX Runtime wrote it."""
        return Path(self._session.end_profiling())

    def _kept(self, keep: int) -> Any:
        """`keep` as an OrtValue; the optional input takes nothing else, and it must outlive the pass."""
        if keep not in self._keep:
            self._keep[keep] = _runtime.OrtValue.ortvalue_from_numpy(np.array([keep], dtype=np.int64))
        return self._keep[keep]

    def _binding(self, rows: HostPool, first: int, batch: int, prefix: SharedPrefix | None) -> Any:
        """A binding whose past and present are the memory of those rows behind the prefix; kept until memory moves."""
        bindings = self._bindings.pop(rows.generation, {})
        self._bindings[rows.generation] = bindings  # the last is the one used last
        while len(self._bindings) > _BOUND_GENERATIONS:
            del self._bindings[next(iter(self._bindings))]
        binding = bindings.get((first, batch, prefix))
        if binding is None:
            binding = bindings[first, batch, prefix] = self._session.io_binding()
            if prefix is not None:  # as the key above it keeps the memory of these values
                for name, values in prefix.inputs.items():
                    binding.bind_ortvalue_input(name, _runtime.OrtValue.ortvalue_from_numpy(values))
            dtype = self.shape.dtype.type
            for index, layer in enumerate(rows.layers):
                for part, name in enumerate(("key", "value")):
                    view = layer[part, first : first + batch]
                    # Tokens lie equally far apart in every head of every row, so what follows the prefix has
                    # the view's own shape; of what that puts behind the last row's end nothing is touched.
                    address = view.ctypes.data + len(prefix or ()) * view.strides[2]
                    arguments = ("cpu", 0, dtype, view.shape, address)
                    binding.bind_input(f"past_key_values.{index}.{name}", *arguments)
                    binding.bind_output(f"present.{index}.{name}", *arguments)
        return binding

    def _read_shape(self, file: Path) -> KVSpec:
        inputs: dict[str, Any] = {value.name: value for value in self._session.get_inputs()}
        outputs = {value.name for value in self._session.get_outputs()}
        past = [name for name in inputs if name.startswith("past_key_values.")]
        wanted = {"input_ids", "attention_mask", "past_key_values.0.key"}
        if not wanted <= inputs.keys() or self._session.get_outputs()[0].name != "logits" or len(past) % 2:
            raise UnsupportedModelError(
                f"{file} is not a decoder this engine can drive: inputs {sorted(inputs)[:6]}…, "
                f"outputs {sorted(outputs)[:3]}…; needed are {sorted(wanted)} and `logits` as the first output."
            )
        cache = inputs["past_key_values.0.key"]
        if cache.type not in _CACHE_TYPES:
            raise UnsupportedModelError(
                f"{file} keeps its keys and values as {cache.type}; supported: {', '.join(_CACHE_TYPES)}."
            )
        return KVSpec(
            layers=len(past) // 2,
            key_value_heads=int(cache.shape[1]),
            head_size=int(cache.shape[3]),
            dtype=np.dtype(_CACHE_TYPES[cache.type]),
        )
