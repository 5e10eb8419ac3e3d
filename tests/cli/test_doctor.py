"""`cwai doctor`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.program import cwai
from tests.codex.test_launch import put_codex
from tests.served import make_home


def test_a_fresh_machine_is_ready_with_warnings_that_say_the_command(tmp_path: Path) -> None:
    ran = cwai("doctor", home=tmp_path, environment={"PATH": str(tmp_path)})

    assert ran.exit_code == 0
    assert "fix: cwai models add smollm2-135m-instruct" in ran.stdout
    assert ran.stdout.endswith("Ready, with warnings.\n")


def test_with_json_it_is_one_object_with_every_check(tmp_path: Path) -> None:
    document = json.loads(cwai("doctor", "--json", home=tmp_path).stdout)

    assert document["overallStatus"] in {"ok", "warning"}
    checks = document["checks"]
    assert all(check["id"] == name and check["category"] == name.split(".")[0] for name, check in checks.items())
    assert {"runtime.python", "hardware.cpu", "hardware.gpu", "storage.cache", "model.installed", "codex.cli"} <= set(
        checks
    )
    assert checks["inference.CPUExecutionProvider"]["status"] == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="what other systems say")
def test_the_windows_checks_are_skipped_and_say_what_they_would_look_at(tmp_path: Path) -> None:
    checks = json.loads(cwai("doctor", "--json", home=tmp_path).stdout)["checks"]

    skipped = [check for name, check in checks.items() if name.startswith(("windows.", "kernel."))]
    assert len(skipped) == 12
    for check in skipped:
        assert check["status"] == "skipped"
        assert check["summary"].startswith("needs Windows; would look at ")


def test_settings_that_do_not_parse_make_it_unhealthy_and_are_named(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.toml").write_text("threads = 0\n", encoding="utf-8")

    ran = cwai("doctor", "--json", home=tmp_path)

    assert ran.exit_code == 3
    check = json.loads(ran.stdout)["checks"]["config.settings"]
    assert check["status"] == "fail"
    assert "`threads`" in check["summary"]


def test_a_model_is_told_with_the_graph_that_this_processor_runs(default_model: Path, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", default_model)

    check = json.loads(cwai("doctor", "--json", home=home).stdout)["checks"]["model.installed"]

    assert check["status"] == "ok"
    assert check["details"]["cpu_graph"] == "model.cpu.onnx"


def test_a_model_that_is_not_there_makes_it_unhealthy(tmp_path: Path) -> None:
    ran = cwai("doctor", "--json", home=tmp_path, environment={"CODEX_WINDOWS_AI_MODEL": "absent"})

    assert ran.exit_code == 3
    check = json.loads(ran.stdout)["checks"]["model.installed"]
    assert (check["status"], check["details"]["code"]) == ("fail", "model_not_found")


def test_the_codex_cli_is_shown_with_its_version(tmp_path: Path) -> None:
    environment = put_codex(tmp_path, f"#!{sys.executable}\nprint('codex-cli 9.9.9')\n")

    check = json.loads(cwai("doctor", "--json", home=tmp_path, environment=environment).stdout)["checks"]["codex.cli"]

    assert check["status"] == "ok"
    assert "codex-cli 9.9.9" in check["summary"]
