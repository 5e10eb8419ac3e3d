"""llama.cpp through its shared libraries: its quantizer, its logits, and its tokens.

Structures are those of its `include/llama.h` at the version that `scripts/fetch_llama_cpp.sh` pins. What it cannot do
ends the process (it aborts), so `rig.py` runs this file as a program of its own.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

FILE_TYPES = {
    "F16": 1,
    "Q4_0": 2,
    "Q4_1": 3,
    "Q8_0": 7,
    "Q4_K_M": 15,
    "Q5_K_M": 17,
    "Q6_K": 18,
    "IQ4_XS": 30,
    "MXFP4_MOE": 38,
}
_FLOAT32, _NO_FLASH_ATTENTION = 0, 0
_THREADS = 1  # more wait for each other by spinning, which takes an age where others use the processor, too
_PIECE = 128
"""Positions whose logits are computed at a time."""

_Pointer, _Int, _UInt, _Float, _Bool = ctypes.c_void_p, ctypes.c_int32, ctypes.c_uint32, ctypes.c_float, ctypes.c_bool
_LogCallback = ctypes.CFUNCTYPE(None, _Int, ctypes.c_char_p, _Pointer)


class _ModelParameters(ctypes.Structure):
    _fields_ = (
        ("devices", _Pointer),
        ("tensor_buft_overrides", _Pointer),
        ("n_gpu_layers", _Int),
        ("split_mode", _Int),
        ("load_mode", _Int),
        ("lazy_mode", _Int),
        ("main_gpu", _Int),
        ("tensor_split", _Pointer),
        ("progress_callback", _Pointer),
        ("progress_callback_user_data", _Pointer),
        ("kv_overrides", _Pointer),
        *(
            (name, _Bool)
            for name in ("vocab_only", "check_tensors", "use_extra_bufts", "no_host", "no_alloc", "load_mtp")
        ),
    )


class _ContextParameters(ctypes.Structure):
    _fields_ = (
        *((name, _UInt) for name in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq")),
        *((name, _UInt) for name in ("n_outputs_max", "n_outputs_max_per_seq")),
        *((name, _Int) for name in ("n_threads", "n_threads_batch", "ctx_type", "rope_scaling_type", "pooling_type")),
        *((name, _Int) for name in ("attention_type", "flash_attn_type")),
        *((name, _Float) for name in ("rope_freq_base", "rope_freq_scale", "yarn_ext_factor", "yarn_attn_factor")),
        *((name, _Float) for name in ("yarn_beta_fast", "yarn_beta_slow")),
        ("yarn_orig_ctx", _UInt),
        ("defrag_thold", _Float),
        ("cb_eval", _Pointer),
        ("cb_eval_user_data", _Pointer),
        ("type_k", _Int),
        ("type_v", _Int),
        ("abort_callback", _Pointer),
        ("abort_callback_data", _Pointer),
        *((name, _Bool) for name in ("embeddings", "offload_kqv", "no_perf", "op_offload", "swa_full", "kv_unified")),
        ("samplers", _Pointer),
        ("n_samplers", ctypes.c_size_t),
        ("ctx_other", _Pointer),
    )


class _QuantizeParameters(ctypes.Structure):
    _fields_ = (
        *((name, _Int) for name in ("nthread", "ftype", "output_tensor_type", "token_embedding_type")),
        *((name, _Bool) for name in ("allow_requantize", "quantize_output_tensor", "only_copy")),
        *((name, _Bool) for name in ("pure", "keep_split", "dry_run")),
        *((name, _Pointer) for name in ("imatrix", "kv_overrides", "tt_overrides", "prune_layers")),
        ("max_buf_size", ctypes.c_size_t),
    )


class _Batch(ctypes.Structure):
    _fields_ = (
        ("n_tokens", _Int),
        ("token", ctypes.POINTER(_Int)),
        ("embd", _Pointer),
        ("pos", ctypes.POINTER(_Int)),
        ("n_seq_id", ctypes.POINTER(_Int)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(_Int))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    )


class LlamaCpp:
    """The libraries in `folder`."""

    def __init__(self, folder: Path) -> None:
        base, ggml, llama = (
            ctypes.CDLL(str(next(folder.glob(name)))) for name in ("libggml-base.so", "libggml.v*.so", "libllama.v*.so")
        )
        self._silent = _LogCallback(lambda level, text, data: None)
        base.ggml_log_set(self._silent, None)
        llama.llama_log_set(self._silent, None)
        ggml.ggml_backend_load_all_from_path(str(folder).encode())  # of those for processors, the best that runs here
        llama.llama_backend_init()
        signatures: dict[str, tuple[Any, list[Any]]] = {
            "llama_model_default_params": (_ModelParameters, []),
            "llama_context_default_params": (_ContextParameters, []),
            "llama_model_quantize_default_params": (_QuantizeParameters, []),
            "llama_model_quantize": (_UInt, [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(_QuantizeParameters)]),
            "llama_model_load_from_file": (_Pointer, [ctypes.c_char_p, _ModelParameters]),
            "llama_init_from_model": (_Pointer, [_Pointer, _ContextParameters]),
            "llama_model_get_vocab": (_Pointer, [_Pointer]),
            "llama_vocab_n_tokens": (_Int, [_Pointer]),
            "llama_tokenize": (_Int, [_Pointer, ctypes.c_char_p, _Int, ctypes.POINTER(_Int), _Int, _Bool, _Bool]),
            "llama_batch_init": (_Batch, [_Int, _Int, _Int]),
            "llama_batch_free": (None, [_Batch]),
            "llama_decode": (_Int, [_Pointer, _Batch]),
            "llama_get_logits": (ctypes.POINTER(_Float), [_Pointer]),
            "llama_get_memory": (_Pointer, [_Pointer]),
            "llama_memory_clear": (None, [_Pointer, _Bool]),
            "llama_free": (None, [_Pointer]),
            "llama_model_free": (None, [_Pointer]),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(llama, name)
            function.restype, function.argtypes = result, arguments
        self._llama: Any = llama

    def quantize(self, source: Path, target: Path, kind: str) -> None:
        """Writes the model `source` with weights of a kind of `FILE_TYPES`."""
        parameters = self._llama.llama_model_quantize_default_params()
        parameters.ftype, parameters.nthread = FILE_TYPES[kind], _THREADS
        if self._llama.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(parameters)):
            raise RuntimeError(f"llama.cpp could not quantize {source} to {kind}")

    def logits(self, file: Path, tokens: np.ndarray) -> np.ndarray:
        """Of each text in `tokens` [texts, positions]: [texts, positions, vocabulary]."""
        pieces = [logits for _, _, logits in self._pieces(file, tokens)]
        return np.concatenate(pieces).reshape(*tokens.shape, -1)

    def likelihoods(self, file: Path, tokens: np.ndarray) -> np.ndarray:
        """Natural logarithms of what each token was given by those before it: [texts, positions - 1]."""
        result = np.empty((len(tokens), tokens.shape[1] - 1))
        for text, start, logits in self._pieces(file, tokens[:, :-1]):
            end = start + len(logits)
            result[text, start:end] = likelihoods(logits, tokens[text, start + 1 : end + 1])
        return result

    def _pieces(self, file: Path, tokens: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
        """The text, the first position, and logits from there on."""
        texts, positions = tokens.shape
        with closing(LoadedModel(self._llama, file, positions)) as model:
            for text in range(texts):
                model.forget()
                for start in range(0, positions, _PIECE):
                    piece = tokens[text, start : start + _PIECE]
                    yield text, start, model.forward(piece, start, len(piece))

    def tokens(self, file: Path, texts: list[str], *, obeyed: bool) -> list[list[int]]:
        """Of each text, without a token that begins it; are special tokens in it `obeyed`?"""
        parameters = self._llama.llama_model_default_params()
        parameters.vocab_only = True
        model = self._llama.llama_model_load_from_file(str(file).encode(), parameters)
        if not model:
            raise RuntimeError(f"llama.cpp does not load {file}")
        vocabulary = self._llama.llama_model_get_vocab(model)
        result: list[list[int]] = []
        for text in map(str.encode, texts):
            room = (_Int * (len(text) + 2))()
            count = self._llama.llama_tokenize(vocabulary, text, len(text), room, len(room), False, obeyed)
            result.append(list(room[:count]))
        self._llama.llama_model_free(model)
        return result

    def load(self, file: Path, positions: int) -> LoadedModel:
        """The model, with room for so many tokens."""
        return LoadedModel(self._llama, file, positions)


class LoadedModel:
    """A model and its keys and values, which are float32."""

    def __init__(self, llama: Any, file: Path, positions: int) -> None:
        self._llama = llama
        self._model = llama.llama_model_load_from_file(str(file).encode(), llama.llama_model_default_params())
        if not self._model:
            raise RuntimeError(f"llama.cpp does not load {file}")
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = -(-positions // 256) * 256
        parameters.n_batch = parameters.n_ubatch = _PIECE
        parameters.n_threads = parameters.n_threads_batch = _THREADS
        parameters.type_k = parameters.type_v = _FLOAT32
        parameters.flash_attn_type = _NO_FLASH_ATTENTION
        self._context = llama.llama_init_from_model(self._model, parameters)
        self._vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self._model))

    def forward(self, tokens: np.ndarray, start: int, keep: int) -> np.ndarray:
        """Logits of the last `keep` of these tokens, behind `start` others: [keep, vocabulary]."""
        batch = self._llama.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for number, token in enumerate(tokens):
            batch.token[number], batch.pos[number] = int(token), start + number
            batch.n_seq_id[number], batch.seq_id[number][0] = 1, 0
            batch.logits[number] = number >= len(tokens) - keep
        status = self._llama.llama_decode(self._context, batch)
        self._llama.llama_batch_free(batch)
        if status:
            raise RuntimeError(f"llama.cpp does not decode: {status}")
        return np.ctypeslib.as_array(self._llama.llama_get_logits(self._context), (keep, self._vocabulary)).copy()

    def forget(self) -> None:
        """Empties the keys and values."""
        self._llama.llama_memory_clear(self._llama.llama_get_memory(self._context), True)

    def close(self) -> None:
        """Gives the memory back."""
        self._llama.llama_free(self._context)
        self._llama.llama_model_free(self._model)


def likelihoods(logits: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Natural logarithms of what `logits` [positions, vocabulary] give to these tokens [positions]."""
    values = logits - logits.max(-1, keepdims=True)
    return values[np.arange(len(tokens)), tokens] - np.log(np.exp(values).sum(-1, dtype=np.float64))


def main() -> None:
    """One task, as JSON: {"folder", "do": "quantize", "logits", "likelihoods" or "tokens", ...}."""
    task = json.loads(sys.argv[1])
    llama = LlamaCpp(Path(task["folder"]))
    if task["do"] == "quantize":
        for kind, target in task["targets"].items():
            llama.quantize(Path(task["file"]), Path(target), kind)
    elif task["do"] == "tokens":
        texts = json.loads(Path(task["texts"]).read_text(encoding="utf-8"))
        found = llama.tokens(Path(task["file"]), texts, obeyed=task["obeyed"])
        Path(task["target"]).write_text(json.dumps(found), encoding="utf-8")
    else:
        compute = llama.logits if task["do"] == "logits" else llama.likelihoods
        np.save(task["target"], compute(Path(task["file"]), np.load(task["tokens"])))


if __name__ == "__main__":
    main()
