"""`cwai models`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codex_windows_ai.settings import DEFAULT_MODEL
from tests.cli.program import COMMAND, cwai, environment_with
from tests.models import synthetic
from tests.models.synthetic import Tiny


@pytest.fixture(scope="session")
def installed(default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder in which a copy of the default model is installed under the name `mine`."""
    home = tmp_path_factory.mktemp("installed")
    ran = cwai("models", "add", str(default_model), "--name", "mine", "--json", home=home)
    assert ran.exit_code == 0, ran.stderr
    assert json.loads(ran.stdout)["model"]["name"] == "mine"
    return home


def test_list_shows_name_size_and_folder(installed: Path) -> None:
    folder = installed / "cache" / "models" / "mine"

    assert cwai("models", "list", home=installed).stdout.split("\t")[::2] == ["mine", f"{folder}\n"]
    (model,) = json.loads(cwai("models", "list", "--json", home=installed).stdout)["models"]
    assert model["name"] == "mine"
    assert model["path"] == str(folder)
    assert model["bytes"] > 100_000_000


def test_show_says_what_the_model_takes_and_which_window_fits(installed: Path) -> None:
    text = cwai("models", "show", "mine", home=installed).stdout
    assert "8,192 tokens\n" in text
    assert "float32, 46,080 bytes a token" in text
    assert "chat format:  hermes, told of tools in words\n" in text
    shown = json.loads(cwai("models", "show", "MINE", "--json", home=installed).stdout)["model"]
    assert (shown["name"], shown["own_window"], shown["window"]) == ("mine", 8192, 8192)
    assert shown["weights_bytes"] < shown["bytes"]
    parts = {name: size for name, size in shown["memory"].items() if name != "budget"}
    assert shown["memory"]["budget"] == sum(parts.values()) > parts["weights"] > shown["weights_bytes"]

    halved = environment_with(installed) | {"CODEX_WINDOWS_AI_KV_CACHE": "float16"}
    ran = subprocess.run([*COMMAND, "models", "show", "mine"], env=halved, capture_output=True, text=True, check=True)
    assert "float16, 23,040 bytes a token" in ran.stdout

    other = environment_with(installed) | {"CODEX_WINDOWS_AI_CHAT_FORMAT": "mistral"}
    ran = subprocess.run([*COMMAND, "models", "show", "mine"], env=other, capture_output=True, text=True, check=True)
    assert "mistral, told of tools in words; by the setting `chat_format`" in ran.stdout
    other["CODEX_WINDOWS_AI_CHAT_FORMAT"] = "morse"
    failed = subprocess.run([*COMMAND, "models", "show", "mine"], env=other, capture_output=True, text=True)
    assert failed.returncode == 2
    assert "'qwen-xml'" in failed.stderr

    missing = cwai("models", "show", DEFAULT_MODEL, home=installed)
    assert missing.exit_code == 1
    assert f"cwai models add {DEFAULT_MODEL}" in missing.stderr


def test_the_default_model_is_not_fetched_with_another_precision_than_its_own(tmp_path: Path) -> None:
    ran = cwai("models", "add", DEFAULT_MODEL, "--precision", "own", home=tmp_path)
    assert ran.exit_code == 2
    assert "`8bit`, not `own`" in ran.stderr


def test_an_empty_list_is_empty(tmp_path: Path) -> None:
    assert cwai("models", "list", home=tmp_path).stdout == ""
    assert json.loads(cwai("models", "list", "--json", home=tmp_path).stdout) == {"schema_version": 1, "models": []}


def test_path_is_where_the_model_is(installed: Path) -> None:
    assert cwai("models", "path", "mine", home=installed).stdout == f"{installed / 'cache' / 'models' / 'mine'}\n"
    assert json.loads(cwai("models", "path", "mine", "--json", home=installed).stdout)["exists"] is True
    assert cwai("models", "path", home=installed).stdout == f"{installed / 'cache' / 'models'}\n"


def test_verify_finds_a_sound_model_sound_and_a_changed_file_by_its_name(installed: Path, tmp_path: Path) -> None:
    assert json.loads(cwai("models", "verify", "mine", "--json", home=installed).stdout)["verified"] is True

    home = tmp_path / "home"
    shutil.copytree(installed, home)
    with (home / "cache" / "models" / "mine" / "tokenizer.json").open("ab") as file:
        file.write(b" ")
    ran = cwai("models", "verify", "mine", home=home)

    assert ran.exit_code == 1
    assert "tokenizer.json is not what was installed" in ran.stderr


def test_a_removed_model_is_gone(installed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(installed, home)

    assert json.loads(cwai("models", "remove", "mine", "--json", home=home).stdout)["removed"] == "mine"
    assert cwai("models", "list", home=home).stdout == ""


@pytest.mark.parametrize("command", ["verify", "remove"])
def test_a_model_that_is_not_installed_is_named(command: str, tmp_path: Path) -> None:
    ran = cwai("models", command, "absent", "--json", home=tmp_path)

    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["error"]["code"] == "model_not_found"
    assert "`absent`" in ran.stderr


def test_a_file_that_is_no_model_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04 not a model")

    ran = cwai("models", "add", str(tmp_path / "model.gguf"), home=tmp_path / "home")

    assert ran.exit_code == 1
    assert "model.gguf" in ran.stderr
    assert not [file for file in (tmp_path / "home" / "cache" / "models").iterdir() if file.is_dir()]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return Tiny().write(tmp_path / "tiny.gguf")


def test_a_model_that_cannot_be_spoken_to_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "TEMPLATE", "{{ raise_exception('never') }}")
    base = Tiny().write(tmp_path / "base.gguf")

    ran = cwai("models", "add", str(base), "--json", home=tmp_path / "home")

    assert ran.exit_code == 1
    assert "never" in ran.stderr
    assert json.loads(ran.stdout)["error"]["code"] == "model_file_invalid"
    assert not [file for file in (tmp_path / "home" / "cache" / "models").iterdir() if file.is_dir()]


def test_a_folder_that_does_not_load_is_refused_and_leaves_nothing_behind(tiny: Path, tmp_path: Path) -> None:
    assert cwai("models", "add", str(tiny), home=tmp_path / "one").exit_code == 0
    folder = tmp_path / "one" / "cache" / "models" / "tiny"
    os.truncate(folder / "model.onnx.data", 5000)

    ran = cwai("models", "add", str(folder), home=tmp_path / "two")

    assert ran.exit_code == 1
    assert "cannot load model.cpu.onnx" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not [file for file in (tmp_path / "two" / "cache" / "models").iterdir() if file.is_dir()]


def test_what_is_to_be_said_of_a_model_is_said_when_it_is_added_and_listed(tiny: Path, tmp_path: Path) -> None:
    assert json.loads(cwai("models", "add", str(tiny), "--json", home=tmp_path).stdout)["model"]["remarks"] == []
    record = tmp_path / "cache" / "models" / "tiny" / "conversion.json"
    content = json.loads(record.read_text(encoding="utf-8")) | {"remarks": ["It has two layers."]}
    record.write_text(json.dumps(content), encoding="utf-8")

    again = cwai("models", "add", str(tiny), "--json", home=tmp_path)

    assert again.stderr == "cwai: tiny: It has two layers.\n"
    assert json.loads(again.stdout)["model"]["remarks"] == ["It has two layers."]
    (model,) = json.loads(cwai("models", "list", "--json", home=tmp_path).stdout)["models"]
    assert model["remarks"] == ["It has two layers."]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.gguf")

    ran = cwai("models", "add", str(tmp_path / "x.gguf"), home=tmp_path / "home")

    assert ran.exit_code == 1
    assert "x.gguf is no regular file" in ran.stderr


def test_two_first_runs_at_once_end_with_one_sound_model(tmp_path: Path) -> None:
    command = [*COMMAND, "models", "add", DEFAULT_MODEL]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment_with(tmp_path))
        for _ in range(2)
    ]
    ends = [run.communicate(timeout=240) for run in runs]

    assert [run.returncode for run in runs] == [0, 0], ends
    assert [folder.name for folder in (tmp_path / "cache" / "models").iterdir() if folder.is_dir()] == [DEFAULT_MODEL]
    assert cwai("models", "verify", DEFAULT_MODEL, home=tmp_path).exit_code == 0
