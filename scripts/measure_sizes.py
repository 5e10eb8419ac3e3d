"""What models of real sizes cost: conversion, load, memory, and speed beside llama.cpp's.

    .venv/bin/python -m scripts.measure_sizes [qwen3-0.6b | qwen2.5-1.5b | qwen3-4b] [--folder DIRECTORY]

Writes a GGUF file with random weights in the shape of the model, in the mixture of types that llama.cpp gives a Q4_K_M
file, unless it is there already; then measures, in processes of their own. llama.cpp's side needs what
`make test-rivals` fetches. Times are of the processor, with one thread, so that they hold on a busy machine, too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import psutil
from gguf import GGMLQuantizationType as Kind
from tests.models.synthetic import Tiny
from tests.rivals.models.llama_cpp import LlamaCpp
from tests.rivals.models.rig import LLAMA_CPP

from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.model import Model
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.models.progress import silent
from codex_windows_ai.models.storage import folder_bytes

VOCABULARY = 151_936
PROMPT, DECODED = 128, 16
_BLOCK = 256
_ROWS_AT_A_TIME = 4096


class Size(Tiny):
    """The shape of a published model of Qwen's, with a vocabulary as large as theirs; the head is the embedding."""

    def vocabulary(self) -> list[str]:
        tokens = super().vocabulary()
        return tokens + [f"filler{number}" for number in range(VOCABULARY - len(tokens))]

    def kind_of(self, name: str, shape: tuple[int, ...]) -> Kind:
        """As llama.cpp's quantizer chooses for Q4_K_M (src/llama-quant.cpp)."""
        if len(shape) == 1:
            return Kind.F32
        if name == "token_embd.weight":
            return Kind.Q6_K
        layer, eighth = int(name.split(".")[1]), self.layers // 8
        more = layer < eighth or layer >= 7 * self.layers // 8 or (layer - eighth) % 3 == 2
        return Kind.Q6_K if more and ("attn_v." in name or "ffn_down." in name) else Kind.Q4_K


def _size(layers: int, hidden: int, feed_forward: int, heads: int, kv_heads: int, **family: Any) -> Size:
    return Size(
        layers=layers,
        hidden=hidden,
        feed_forward=feed_forward,
        heads=heads,
        kv_heads=kv_heads,
        head_size=128,
        context=32768,
        pre="qwen2",
        **family,
    )


SIZES = {
    "qwen3-0.6b": _size(28, 1024, 3072, 16, 8, architecture="qwen3", head_norms=True),
    "qwen2.5-1.5b": _size(28, 1536, 8960, 12, 2, architecture="qwen2", bias=True),
    "qwen3-4b": _size(36, 2560, 9728, 32, 8, architecture="qwen3", head_norms=True),
}


def write(size: Size, path: Path) -> None:
    """Writes the GGUF file, some rows of a tensor at a time."""
    writer = gguf.GGUFWriter(path, size.architecture)
    size.write_metadata(writer)
    shapes = size.shapes()
    for name, shape in shapes.items():
        kind = size.kind_of(name, shape)
        stored = gguf.quant_shape_to_byte_shape(shape, kind)
        dtype = np.dtype(np.float32 if kind is Kind.F32 else np.uint8)
        writer.add_tensor_info(name, shape if kind is Kind.F32 else stored, dtype, int(np.prod(stored)), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    random = np.random.default_rng(3)
    with path.open("r+b") as file:
        file.seek(0, 2)
        _align(file)
        for name, shape in shapes.items():
            for rows in _rows(random, size.kind_of(name, shape), name, shape):
                file.write(rows.tobytes())
            _align(file)


def _align(file) -> None:
    file.write(bytes(-file.tell() % gguf.GGUF_DEFAULT_ALIGNMENT))


def _rows(random: np.random.Generator, kind: Kind, name: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    if kind is Kind.F32:
        values = np.ones(shape) if "norm" in name else random.normal(0, 0.1, shape)
        yield values.astype(np.float32)
        return
    make = _q4_k if kind is Kind.Q4_K else _q6_k
    for start in range(0, shape[0], _ROWS_AT_A_TIME):
        yield make(random, min(_ROWS_AT_A_TIME, shape[0] - start) * shape[1] // _BLOCK, shape[1] ** -0.5)


def _q4_k(random: np.random.Generator, blocks: int, deviation: float) -> np.ndarray:
    """Random codes and scales; the least values put the middle at about 0."""
    raw = random.integers(0, 256, (blocks, 144), dtype=np.uint8)
    step = deviation / (32 * 4.6)
    raw[:, :4] = np.array([step, 7.5 * step], np.float16).view(np.uint8)
    return raw


def _q6_k(random: np.random.Generator, blocks: int, deviation: float) -> np.ndarray:
    raw = random.integers(0, 256, (blocks, 210), dtype=np.uint8)
    raw[:, 208:] = np.array([deviation / (74 * 18.5)], np.float16).view(np.uint8)
    return raw


def convert_alone(file: Path, folder: Path) -> dict[str, float]:
    """Seconds of the processor and of the clock, and the largest memory in megabytes."""
    folder.mkdir()
    started = time.monotonic()
    convert(file, folder, silent)
    return {
        "processor_seconds": time.process_time(),
        "seconds": time.monotonic() - started,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def run_alone(path: Path) -> dict[str, float]:
    """Load, memory, and speed of one stream on one thread."""
    folder, before, memory = read_model_folder(path), time.process_time(), _megabytes()
    model = Model(folder, threads=1)
    loaded = time.process_time() - before
    resident, private = _megabytes() - memory, _private_megabytes()
    pool = HostPool(model.spec, 1 << 30)
    pool.resize(1, 2 * PROMPT, kept=())
    tokens = np.random.default_rng(1).integers(3, VOCABULARY, (1, PROMPT))
    model.forward(pool, 0, tokens[:, :8], [0])
    read = _seconds(lambda: model.forward(pool, 0, tokens, [0]))
    wrote = min(_seconds(lambda at=at: model.forward(pool, 0, tokens[:, :1], [PROMPT + at])) for at in range(DECODED))
    return {
        "load_seconds": loaded,
        "resident_megabytes": resident,
        "private_megabytes": private,
        "read_tokens_a_second": PROMPT / read,
        "decoded_tokens_a_second": 1 / wrote,
    }


def rival_alone(file: Path) -> dict[str, float]:
    """llama.cpp's memory and speed, likewise."""
    llama, before, memory = LlamaCpp(LLAMA_CPP / "lib"), time.process_time(), _megabytes()
    model = llama.load(file, 2 * PROMPT)
    loaded = time.process_time() - before
    tokens = np.random.default_rng(1).integers(3, VOCABULARY, PROMPT)
    model.forward(tokens[:8], 0, 1)
    model.forget()
    return {
        "load_seconds": loaded,
        "resident_megabytes": _megabytes() - memory,
        "read_tokens_a_second": PROMPT / _seconds(lambda: model.forward(tokens, 0, 1)),
        "decoded_tokens_a_second": 1
        / min(_seconds(lambda at=at: model.forward(tokens[:1], PROMPT + at, 1)) for at in range(DECODED)),
    }


def _seconds(work) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _megabytes() -> float:
    return psutil.Process().memory_info().rss / 1e6


def _private_megabytes() -> float:
    return psutil.Process().memory_full_info().uss / 1e6


def alone(step: str, *paths: Path) -> dict[str, float]:
    """Runs a step in a process of its own."""
    command = [sys.executable, "-m", "scripts.measure_sizes", "--step", step, *map(str, paths)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


STEPS = {"convert": convert_alone, "run": run_alone, "rival": rival_alone}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arguments", nargs="*", default=list(SIZES))
    parser.add_argument("--folder", type=Path, help="where files and folders are kept")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(STEPS[options.step](*map(Path, options.arguments))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        place = options.folder or Path(temporary)
        for name in options.arguments:
            measure(name, place)


def measure(name: str, place: Path) -> None:
    file, folder = place / f"{name}-Q4_K_M.gguf", place / name
    place.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        write(SIZES[name], file)
    figures: dict[str, dict[str, float]] = {}
    if not folder.exists():
        figures["convert"] = alone("convert", file, folder)
    figures["size"] = {
        "gguf_megabytes": file.stat().st_size / 1e6,
        "folder_megabytes": folder_bytes(folder) / 1e6,
        "folder_of_gguf": folder_bytes(folder) / file.stat().st_size,
    }
    figures["ours"] = alone("run", folder)
    figures["llama.cpp"] = alone("rival", file)
    print(name)
    for part, values in figures.items():
        print(f"  {part}: " + ", ".join(f"{key} {value:.2f}" for key, value in values.items()))


if __name__ == "__main__":
    main()
