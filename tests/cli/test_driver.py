"""`cwai driver` where no driver can be; what it does on Windows is in tests/wine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import cwai


def test_status_says_that_the_driver_needs_windows(tmp_path: Path) -> None:
    ran = cwai("driver", "status", home=tmp_path)

    assert (ran.exit_code, ran.stdout) == (0, "ai_driver: absent: the kernel driver needs Windows\n")


def test_status_with_json_is_one_object(tmp_path: Path) -> None:
    told = json.loads(cwai("driver", "status", "--json", home=tmp_path).stdout)

    assert (told["schema_version"], told["state"], told["rules"]) == (1, "absent", None)


@pytest.mark.parametrize("command", ["install", "start", "stop", "uninstall"])
def test_what_changes_windows_is_not_available_elsewhere(tmp_path: Path, command: str) -> None:
    ran = cwai("driver", command, "--json", home=tmp_path)

    assert ran.exit_code == 4
    assert json.loads(ran.stdout)["error"]["code"] == "driver_not_found"
    assert "cwai driver build" in ran.stderr


def test_build_makes_the_driver_and_says_its_digest(tmp_path: Path) -> None:
    ran = cwai("driver", "build", "--output", str(tmp_path / "out"), "--json", home=tmp_path)

    told = json.loads(ran.stdout)
    assert Path(told["image"]).read_bytes()[:2] == b"MZ"
    assert len(told["sha256"]) == 64


def test_build_without_sources_says_where_it_looked(tmp_path: Path) -> None:
    ran = cwai("driver", "build", "--source", str(tmp_path), home=tmp_path)

    assert ran.exit_code == 4
    assert str(tmp_path) in ran.stderr
