"""`cwai config`."""

from __future__ import annotations

import json
from pathlib import Path

from codex_windows_ai.settings import Settings
from tests.cli.program import cwai


def test_path_is_below_the_home_folder(tmp_path: Path) -> None:
    ran = cwai("config", "path", home=tmp_path)

    assert ran.stdout == f"{tmp_path / 'config' / 'settings.toml'}\n"


def test_path_with_json_says_whether_the_file_exists(tmp_path: Path) -> None:
    assert json.loads(cwai("config", "path", "--json", home=tmp_path).stdout)["exists"] is False


def test_show_puts_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.toml").write_text('model = "from-file"\nthreads = 3\n', encoding="utf-8")

    ran = cwai("config", "show", "--json", home=tmp_path, environment={"CODEX_WINDOWS_AI_MODEL": "from-environment"})

    settings = json.loads(ran.stdout)["settings"]
    given = {"model": "from-environment", "provider": "auto", "threads": 3, "port": None}
    assert settings.items() >= given.items()
    assert settings.keys() == Settings.model_fields.keys()


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.toml").write_text("model = \n", encoding="utf-8")

    ran = cwai("config", "show", home=tmp_path)

    assert ran.exit_code == 2
    assert str(tmp_path / "config" / "settings.toml") in ran.stderr
