"""Checks of what could leave this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_windows_ai.agents.file_changes import apply
from codex_windows_ai.codex.setup import plan_setup
from codex_windows_ai.doctor.privacy import privacy_checks
from codex_windows_ai.doctor.report import Finding
from tests.cli.program import cwai

PROXY = "http://user:secret@proxy.example:3128"
MODEL = {"slug": "tiny", "shell_type": "disabled"}


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http", "https", "all", "no"):
        for variable in (f"{name}_proxy", f"{name}_proxy".upper()):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path / "home"))


def finding(name: str) -> Finding:
    return next(check for check in privacy_checks() if check.id == name).look()


def test_without_a_proxy_all_is_well() -> None:
    assert finding("privacy.proxies").status == "ok"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_that_clients_of_the_host_would_go_through_is_told_without_its_password(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, PROXY)

    found = finding("privacy.proxies")

    assert found.status == "warning"
    assert variable.upper() in found.summary
    assert found.details["through_proxy"] == ["127.0.0.1", "localhost"]
    assert found.remediation == "Add 127.0.0.1,localhost,::1 to NO_PROXY"
    assert "secret" not in str(found)


@pytest.mark.parametrize("direct", ["127.0.0.1,localhost", "*", "intranet, 127.0.0.1,localhost ,::1"])
def test_a_proxy_that_leaves_this_machine_out_is_well(direct: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", direct)

    assert finding("privacy.proxies").status == "ok"


def test_a_codex_that_was_set_up_by_an_earlier_version_is_set_up_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    apply(plan_setup("http://127.0.0.1:8417", [MODEL]))
    assert finding("privacy.proxies").details["codex_goes_around"] is True
    (tmp_path / "codex" / ".env").unlink()

    assert str(finding("privacy.proxies").remediation).startswith("cwai setup codex ")


def test_telemetry_is_off_and_the_environment_cannot_turn_it_on(tmp_path: Path) -> None:
    ran = cwai("doctor", "--json", home=tmp_path, environment={"ORT_DISABLE_TELEMETRY": "0"})

    check = json.loads(ran.stdout)["checks"]["privacy.telemetry"]
    assert check["status"] == "ok"
    assert "ORT_DISABLE_TELEMETRY=1" in check["summary"]
    assert "ORT_DISABLE_TELEMETRY=0 is overruled" in check["summary"]
    assert "onnxruntime" in check["details"]["libraries"]


def test_telemetry_that_somebody_turned_on_again_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")

    assert finding("privacy.telemetry").status == "fail"
