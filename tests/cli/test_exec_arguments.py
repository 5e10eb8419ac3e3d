"""`cwai exec`: what is refused before any model is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import cwai


@pytest.mark.parametrize("prompt", ["", "   \n"])
def test_an_empty_prompt_is_a_usage_error(prompt: str) -> None:
    ran = cwai("exec", "--use-windows-ai", prompt)

    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert "prompt is empty" in ran.stderr
    assert "hint:" in ran.stderr


def test_nothing_on_standard_input_is_an_empty_prompt() -> None:
    ran = cwai("exec", "--use-windows-ai", "-", stdin=b" \n")

    assert ran.exit_code == 2
    assert "prompt is empty" in ran.stderr


def test_bytes_on_standard_input_that_are_not_utf8_are_named_with_their_offset() -> None:
    ran = cwai("exec", "--use-windows-ai", "-", stdin=b"caf\xe9 au lait")

    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert "Standard input is not UTF-8 text: byte 0xe9 at offset 3." in ran.stderr


def test_a_prompt_argument_that_is_not_utf8_is_refused() -> None:
    ran = cwai("exec", "--use-windows-ai", b"caf\xe9")

    assert ran.exit_code == 2
    assert "not valid Unicode" in ran.stderr


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    ran = cwai("exec", "--use-windows-ai", "--file", str(tmp_path / "absent.py"), "Explain this.")

    assert ran.exit_code == 2
    assert str(tmp_path / "absent.py") in ran.stderr
    assert "No such file" in ran.stderr


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")

    ran = cwai("exec", "--use-windows-ai", "--file", str(tmp_path / "picture.png"), "Explain this.")

    assert ran.exit_code == 2
    assert "picture.png is not UTF-8 text: byte 0x89 at offset 0." in ran.stderr


def test_an_error_with_json_is_one_object_on_standard_output() -> None:
    ran = cwai("exec", "--use-windows-ai", "--json", "")

    assert ran.exit_code == 2
    document = json.loads(ran.stdout)
    assert document["schema_version"] == 1
    assert document["error"]["code"] == "invalid_request"
    assert document["error"]["message"] == "The prompt is empty."
    assert document["error"]["hint"]


def test_a_usage_error_with_json_is_one_object_too() -> None:
    ran = cwai("exec", "--json", "--no-such-option", "hi")

    assert ran.exit_code == 2
    assert json.loads(ran.stdout)["error"]["code"] == "usage"
    assert "--no-such-option" in ran.stderr


@pytest.mark.parametrize(
    "options",
    [["--max-output-tokens", "0"], ["--temperature", "-1"], ["--top-p", "1.5"], ["--seed", "-1"], ["--seed", "x"]],
)
def test_a_value_out_of_range_is_a_usage_error_that_names_the_option(options: list[str]) -> None:
    ran = cwai("exec", "--use-windows-ai", *options, "hi")

    assert ran.exit_code == 2
    assert options[0] in ran.stderr


def test_settings_that_do_not_parse_are_a_usage_error_that_names_the_variable() -> None:
    ran = cwai("exec", "--use-windows-ai", "hi", environment={"CODEX_WINDOWS_AI_THREADS": "many"})

    assert ran.exit_code == 2
    assert "`threads`" in ran.stderr
    assert "CODEX_WINDOWS_AI_THREADS" in ran.stderr
