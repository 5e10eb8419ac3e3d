"""`cwai` itself on Windows (Wine): from nothing to an answer by each provider, the registry, and the doctor's truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.wine.windows import DOUBLES, WindowsMachine, windows_path

PROMPT = "What is the capital of France? Answer in one sentence."


class RunCommand(Protocol):
    def __call__(self, *arguments: str, code: int = 0, **variables: str) -> Any: ...


@pytest.fixture(scope="module")
def cwai(
    windows: WindowsMachine, default_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunCommand]:
    """Runs a command for one user; what it says as JSON, or as text."""
    home = tmp_path_factory.mktemp("home")
    registry = home / "registry"
    registry.mkdir()
    environment = {
        "CODEX_WINDOWS_AI_HOME": windows_path(home),
        "CODEX_WINDOWS_AI_MODEL": windows_path(default_model),
        "WINEPATH": windows_path(DOUBLES / "odr"),
        "DOUBLE_ODR_STATE": windows_path(registry),
    }

    def run(*arguments: str, code: int = 0, **variables: str) -> Any:
        ran = windows.python("-m", "codex_windows_ai.cli", *arguments, environment=environment | variables)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return json.loads(ran.stdout) if "--json" in arguments else ran.stdout + ran.stderr

    yield run
    run("stop")


def ask(cwai: RunCommand, *arguments: str, **values: Any) -> dict[str, Any]:
    return cwai("exec", "--use-windows-ai", "--json", *arguments, PROMPT, **values)


def test_from_nothing_windows_own_language_model_answers(cwai: RunCommand) -> None:
    answer = ask(cwai)

    assert answer["text"].startswith(f"Asked: {PROMPT}")
    assert (answer["provider"], answer["device"]) == ("language-model", "chosen by Windows")
    assert (answer["model"], answer["transport"]) == ("windows-language-model", "http")
    assert answer["refused"] == []
    assert answer["usage"]["estimated"] is True


def test_what_that_model_cannot_do_the_engine_does_and_says_why(cwai: RunCommand) -> None:
    answer = ask(cwai, "--seed", "1")

    assert "Paris" in answer["text"]
    assert (answer["provider"], answer["execution_provider"]) == ("engine", "CPUExecutionProvider")
    assert answer["usage"]["estimated"] is False
    refused = {entry["provider"]: entry["reason"] for entry in answer["refused"]}
    assert refused["language-model"] == "Windows' own language model has no seed."
    assert "no execution provider for a GPU" in refused["engine:gpu"]
    assert "no execution provider for an NPU" in refused["engine:npu"]


def test_our_server_goes_into_the_agent_registry_and_out_again(cwai: RunCommand) -> None:
    assert "registered codex-windows-ai" in cwai("setup", "odr", "add")

    (server,) = cwai("setup", "odr", "list", "--json")["servers"]
    assert (server["identifier"], server["name"]) == ("double-codex-windows-ai", "codex-windows-ai")
    assert server["command"][1:] == ["mcp", "run", "--proxy", "double-codex-windows-ai"]

    (old,) = cwai("setup", "odr", "list", "--json", DOUBLE_ODR_GENERATION="1")["servers"]
    assert (old["identifier"], old["name"]) == ("codex-windows-ai", "codex-windows-ai")
    assert old["command"][-1] == "mcp"

    assert "removed double-codex-windows-ai" in cwai("setup", "odr", "remove")
    assert cwai("setup", "odr", "list", "--json")["servers"] == []
    assert "does not have codex-windows-ai" in cwai("setup", "odr", "remove", code=2)


def test_a_registry_that_fails_says_how_and_what_it_takes(cwai: RunCommand) -> None:
    failed = cwai("setup", "odr", "list", "--json", code=4, DOUBLE_ODR_ERROR="Access is denied.")["error"]

    assert failed["message"].endswith("ended with 5: Access is denied.")
    assert "Reduce protections" in failed["hint"]


def test_an_action_answers_where_it_is_asked_for(cwai: RunCommand) -> None:
    answer = ask(cwai, "--provider", "action:Double.Echo")

    assert answer["text"] == f"Echo: {PROMPT}"
    assert (answer["provider"], answer["model"]) == ("action:Double.Echo", "Double_8wekyb3d8bbwe")


def test_the_engine_answers_where_it_is_asked_for(cwai: RunCommand) -> None:
    answer = ask(cwai, "--provider", "engine:cpu")

    assert "Paris" in answer["text"]
    assert (answer["provider"], answer["refused"]) == ("engine", [])


def test_a_device_that_is_required_and_not_there_fails_with_every_reason(cwai: RunCommand) -> None:
    message = ask(cwai, "--require-device", "npu", code=4)["error"]["message"]

    assert "language-model (it does not say on which device it runs" in message
    assert "engine:npu (no execution provider for an NPU is installed" in message
    assert "engine:cpu (it runs on the CPU, and the device `npu` is required)" in message


def examine(cwai: RunCommand, **variables: str) -> dict[str, Any]:
    return cwai("doctor", "--json", **variables)["checks"]


def test_the_doctor_finds_what_is_there(cwai: RunCommand) -> None:
    checks = examine(cwai)

    assert checks["windows.os_build"]["summary"] == "Windows build 26200.7309"
    assert checks["windows.hardware"]["summary"] == "this is a Copilot+ PC"
    assert checks["windows.ready_state"]["status"] == "ok"
    assert "Double.Echo" in checks["windows.app_actions"]["summary"]
    assert checks["windows.package_identity"]["status"] == "warning"
    assert "sparse package" in checks["windows.package_identity"]["remediation"]
    assert checks["windows.agent_registry"]["remediation"] == "cwai setup odr add"
    assert "no execution provider for a GPU" in checks["windows.gpu"]["summary"]
    assert checks["windows.ml_providers"]["status"] == "warning"


@pytest.mark.parametrize(
    ("variables", "check", "summary", "fix"),
    [
        ({"DOUBLE_READY_STATE": "3"}, "windows.ready_state", "switched off by the user", "Privacy & security"),
        ({"DOUBLE_LIMITED_ACCESS": "2"}, "windows.limited_access", "available without a token", None),
        ({"DOUBLE_ABSENT": "1"}, "windows.ready_state", "REGDB_E_CLASSNOTREG", "Windows App Runtime"),
        ({"DOUBLE_CATALOG_ERROR": "0x80070005"}, "windows.app_actions", "E_ACCESSDENIED", "package identity"),
    ],
)
def test_the_doctor_names_the_closed_gate_and_its_fix(
    cwai: RunCommand, variables: dict[str, str], check: str, summary: str, fix: str | None
) -> None:
    found = examine(cwai, **variables)[check]

    assert summary in found["summary"]
    assert fix is None if found["remediation"] is None else fix is not None and fix in found["remediation"]


def test_an_older_windows_is_told_which_build_it_takes(
    windows: WindowsMachine, cwai: RunCommand, tmp_path_factory: pytest.TempPathFactory
) -> None:
    key = r"HKEY_LOCAL_MACHINE\Software\Microsoft\Windows NT\CurrentVersion"
    windows.write_registry(f'REGEDIT4\n\n[{key}]\n"UBR"=dword:00000001\n')
    try:
        found = examine(cwai)["windows.os_build"]
    finally:
        windows.write_registry(f'REGEDIT4\n\n[{key}]\n"UBR"=dword:00001c8d\n')

    assert (found["status"], found["summary"]) == ("warning", "Windows build 26200.1; 26200.7309 is needed")
    assert "25H2" in found["remediation"]
