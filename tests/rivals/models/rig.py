"""Makes what is compared, each file once: models, GGUF files, the truth, and llama.cpp's logits.

All of it lies in `build/rivals/specimens`, in folders named by a hash of what they are made of. Nothing of the product
has a part in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from tests.rivals.models import llama_cpp
from tests.rivals.models.specimens import MERGED, SENTENCEPIECE, Specimen

ROOT = Path(__file__).parents[3]
BUILD = ROOT / "build" / "rivals"
LLAMA_CPP = BUILD / "llama.cpp"
PYTHON = ROOT / ".venv-reference" / "bin" / "python"
_HERE = Path(__file__).parent
_REFERENCE = _HERE / "reference"

POSITIONS = 128
WITHOUT_FLOATS = "Q8_0"
"""What llama.cpp makes of a model where floats are not kept."""
# Prose and code out of the pinned source of llama.cpp, each from its beginning and from its middle.
_TEXTS = ("docs/build.md", "docs/speculative.md", "src/llama-batch.cpp", "convert_hf_to_gguf.py")
# What vocabularies are trained on.
_CORPUS = (
    "CONTRIBUTING.md",
    "docs/autoparser.md",
    "docs/function-calling.md",
    "src/llama-mmap.cpp",
    "gguf-py/README.md",
)

Logits = npt.NDArray[np.float32]
"""[texts, positions, vocabulary]."""


class Reference:
    """A process in the environment that has PyTorch."""

    def __init__(self) -> None:
        if not PYTHON.exists():
            raise RuntimeError(f"{PYTHON} is missing; `make test-rivals` makes it")
        path = os.pathsep.join(str(LLAMA_CPP / "source" / name) for name in ("", "gguf-py"))
        self._log = (BUILD / "reference.log").open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            [PYTHON, _REFERENCE / "worker.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            text=True,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """The worker's answer; paths are given as they are."""
        requests, answers = _stream(self._process.stdin), _stream(self._process.stdout)
        requests.write(json.dumps(request, default=str) + "\n")
        requests.flush()
        answer = json.loads(answers.readline() or '{"error": "the worker ended"}')
        if "error" in answer:
            raise RuntimeError(f"{answer['error']}\nMore is in {self._log.name}.")
        return answer["result"]

    def close(self) -> None:
        _stream(self._process.stdin).close()
        self._process.wait()
        _stream(self._process.stdout).close()
        self._log.close()


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


class Rig:
    """Everything but the product's own side."""

    def __init__(self) -> None:
        self._reference: Reference | None = None
        BUILD.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(BUILD / "specimens.lock")  # several runs may share what they make

    def ask(self, **request: Any) -> dict[str, Any]:
        """Asks the reference, which is started when it is first needed."""
        self._reference = self._reference or Reference()
        return self._reference.ask(**request)

    def close(self) -> None:
        if self._reference:
            self._reference.close()

    def folder(self, specimen: Specimen) -> Path:
        """Where everything of a specimen lies: `model`, `tokens.npy`, and a GGUF file for each quantisation."""
        folder = BUILD / "specimens" / f"{specimen.name}-{_fingerprint(specimen)}"
        with self._lock:
            if not folder.exists():
                self._make(specimen, folder)
        return folder

    def _make(self, specimen: Specimen, folder: Path) -> None:
        work = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        texts = [half for name in _TEXTS for half in (_source(name), _source(name)[len(_source(name)) // 2 :])]
        corpus = "\n".join(_source(name) for name in _CORPUS)
        model, tokens, whole = work / "model", work / "tokens.npy", work / "F32.gguf"
        recipe = specimen.recipe()
        self.ask(do="make", recipe=recipe, corpus=corpus, texts=texts, length=POSITIONS, folder=model, tokens=tokens)
        pre = "default" if specimen.tokenizer in (SENTENCEPIECE, MERGED) else specimen.tokenizer
        self.ask(do="convert", folder=model, target=whole, tokenizer=pre)
        targets = {kind: work / f"{kind}.gguf" for kind in (*specimen.quantisations, WITHOUT_FLOATS)}
        _run_llama_cpp(do="quantize", file=whole, targets=targets)
        work.rename(folder)

    def tokens(self, specimen: Specimen) -> npt.NDArray[np.int64]:
        """[texts, positions]."""
        return np.load(self.folder(specimen) / "tokens.npy")

    def file(self, specimen: Specimen, kind: str) -> Path:
        """The GGUF file."""
        return self.folder(specimen) / f"{kind}.gguf"

    def truth(self, specimen: Specimen, kind: str) -> Logits:
        """What float32 arithmetic makes of the file's own weights."""
        folder = self.folder(specimen)
        task = {"folder": folder / "model", "file": self.file(specimen, kind), "tokens": folder / "tokens.npy"}
        return self._kept(folder / f"{kind}.truth.npy", lambda target: self.ask(do="truth", target=target, **task))

    def rival(self, specimen: Specimen, kind: str) -> Logits:
        """What llama.cpp makes of the file; it rounds otherwise on another processor."""
        folder = self.folder(specimen)
        task = {"file": self.file(specimen, kind), "tokens": folder / "tokens.npy"}
        target = folder / f"{kind}.rival-{_processor()}.npy"
        return self._kept(target, lambda target: _run_llama_cpp(do="logits", target=target, **task))

    def _kept(self, target: Path, make: Callable[[Path], object]) -> Logits:
        """What is in the file, which is made if there is none."""
        with self._lock:
            if not target.exists():
                work = target.with_suffix(".partial.npy")
                make(work)
                work.rename(target)
        return np.load(target)

    def likelihoods(self, file: Path, tokens: npt.NDArray[np.int64], place: Path) -> npt.NDArray[np.float64]:
        """What llama.cpp gives to each token of [texts, positions] behind those before it: [texts, positions - 1]."""
        np.save(place / "tokens.npy", tokens)
        target = place / "likelihoods.npy"
        _run_llama_cpp(do="likelihoods", file=file, tokens=place / "tokens.npy", target=target)
        return np.load(target)

    def elsewhere(self, specimen: Specimen, kind: str, place: Path, changes: dict[str, Any]) -> Logits:
        """As `truth`, of a model whose configuration is another."""
        folder = self.folder(specimen)
        changed, target = place / "changed", place / "changed.npy"
        shutil.copytree(folder / "model", changed)
        configuration = json.loads((changed / "config.json").read_text(encoding="utf-8"))
        (changed / "config.json").write_text(json.dumps(configuration | changes), encoding="utf-8")
        file, tokens = self.file(specimen, kind), folder / "tokens.npy"
        self.ask(do="truth", folder=changed, file=file, tokens=tokens, target=target)
        return np.load(target)


@cache
def _source(name: str) -> str:
    """A file of llama.cpp's source."""
    return (LLAMA_CPP / "source" / name).read_text(encoding="utf-8")


def _run_llama_cpp(**task: Any) -> None:
    arguments = json.dumps({"folder": LLAMA_CPP / "lib", **task}, default=str)
    subprocess.run([sys.executable, llama_cpp.__file__, arguments], check=True)


def _fingerprint(specimen: Specimen) -> str:
    """Of the recipe, and of the programs that follow it."""
    made_of = [specimen.recipe(), _TEXTS, _CORPUS, POSITIONS, _programs()]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _processor() -> str:
    """Of what the processor can do, by which llama.cpp chooses its kernels."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return hashlib.sha256(next(line for line in lines if line.startswith("flags")).encode()).hexdigest()[:8]


@cache
def _programs() -> str:
    files = [*sorted(_REFERENCE.glob("*.py")), _HERE / "llama_cpp.py", ROOT / "scripts" / "fetch_llama_cpp.sh"]
    files.append(ROOT / "scripts" / "requirements-reference.txt")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
