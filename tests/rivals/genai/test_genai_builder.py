"""Every folder of ONNX Runtime GenAI's own builder answers as GenAI does, or is refused by name when it is added."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.windows_ai.model_proof import model_store
from tests.models.genai_folder import FILES
from tests.models.genai_tokens import by_engine, by_genai, by_passes, prompts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PYTHON = Path(__file__).parents[3] / ".venv-reference" / "bin" / "python"
MODELS = (
    *(
        "llama",
        "mistral",
        "qwen2",
        "qwen2-window",
        "qwen3",
        "phi",
        "phi3",
        "phi3-longrope",
        "gemma",
        "gemma2",
        "gemma3",
    ),
    *(
        "gemma3-512",
        "smollm3",
        "granite",
        "olmo",
        "nemotron",
        "ernie4_5",
        "hunyuan",
        "gptoss",
        "qwen2_5_vl",
        "qwen3_vl",
    ),
)
DRIVEN = (
    *(f"{model}-{kind}-cpu" for model in MODELS for kind in ("int4", "fp32")),
    "llama-fp16-webgpu",
    "qwen2-int4-dml",
)
REFUSED = {
    "lfm2-int4-cpu": r"past\.0\.conv",
    "lfm2-fp32-cpu": r"past\.0\.conv",
    "qwen3_5-int4-cpu": r"past\.0\.conv",
    "qwen3_5-fp32-cpu": r"past\.0\.conv",
    "llama-fp16-cpu": "reads `past_key_values.0.key` by",
    "llama-bf16-cuda": "bfloat16",
    "qwen3-int4-webgpu": "norms queries and keys",
    "phi3-longrope-int4-dml": "changes positions",
}


@pytest.fixture(scope="module")
def built(converted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the builder makes."""
    root = tmp_path_factory.mktemp("built")
    (root / "tokenizer").mkdir()
    for name in FILES:
        shutil.copyfile(converted / name, root / "tokenizer" / name)
    ran = subprocess.run(
        [PYTHON, Path(__file__).parent / "make_folders.py", root],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line for line in lines if line["failure"]] == []
    assert {line["name"] for line in lines} == {*DRIVEN, *REFUSED}
    return root


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return model_store(tmp_path / "models")


def for_processors(folder: Path) -> Path:
    """The folder without the providers that it asks for, which GenAI would not load without."""
    file = folder / "genai_config.json"
    configuration = json.loads(file.read_text(encoding="utf-8"))
    configuration["model"]["decoder"]["session_options"]["provider_options"] = []
    file.write_text(json.dumps(configuration), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", DRIVEN)
def test_greedy_tokens_are_those_of_genai(name: str, built: Path, tmp_path: Path, store: ModelStore) -> None:
    theirs = for_processors(Path(shutil.copytree(built / name, tmp_path / name)))
    ours = store.add(theirs)
    longest = min(600, ours.context_length - 60)
    for asked in (prompts(24, 15), prompts(longest, 40)):
        expected = [by_genai(theirs, prompt, 50) for prompt in asked]
        assert by_engine(ours, asked, 50) == expected
        for cut in (1 << 30, 5):
            passes = by_passes(ours, asked, 50, cut)
            assert [tokens[: len(said)] for tokens, said in zip(passes, expected, strict=True)] == expected


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_engine_cannot_drive_is_refused_by_name(name: str, built: Path, store: ModelStore) -> None:
    with pytest.raises(UnsupportedModelError, match=REFUSED[name]) as caught:
        store.add(built / name)
    assert caught.value.hint
