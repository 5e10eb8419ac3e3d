"""`cwai setup codex` with the real Codex: accepted strictly, undone without a trace."""

from __future__ import annotations

import json
import tomllib

import pytest

from tests.codex_cli.program import Workplace
from tests.codex_cli.test_privacy import proxy

OURS = {"windows-ai.config.toml", "windows-ai-tools.config.toml", "windows-ai.models.json", ".env"}


def test_the_profile_works_with_plain_codex_and_restore_leaves_no_trace(place: Workplace) -> None:
    users = "# mine\nmodel = 'gpt-mine'\n"
    (place.codex_home / "config.toml").write_text(users, encoding="utf-8")
    place.host.begin("From the profile.")

    shown = place.cwai("setup", "codex", "--dry-run")
    assert {path.name for path in place.codex_home.iterdir()} == {"config.toml"}
    setup = place.cwai("setup", "codex")
    assert (setup.exit_code, setup.stdout) == (0, shown.stdout), setup.stderr
    ran = place.codex("--strict-config", "-p", "windows-ai", "exec", "--skip-git-repo-check", "hi")
    assert (ran.exit_code, ran.stdout) == (0, "From the profile.\n"), ran.stderr

    again = place.cwai("setup", "codex")
    assert (again.stdout, "Nothing to change." in again.stderr) == ("", True)
    restored = place.cwai("setup", "codex", "restore")
    assert restored.exit_code == 0, restored.stderr
    assert not OURS & {path.name for path in place.codex_home.iterdir()}
    assert (place.codex_home / "config.toml").read_text(encoding="utf-8") == users


@pytest.mark.parametrize("direct", [{}, {"NO_PROXY": ""}, {"NO_PROXY": "intranet"}, {"no_proxy": "intranet"}])
def test_a_codex_that_the_user_starts_asks_the_host_around_a_proxy(direct: dict[str, str], place: Workplace) -> None:
    (place.codex_home / ".env").write_text("MINE=1", encoding="utf-8")
    place.cwai("setup", "codex")

    with proxy() as (variables, seen):
        environment = {name: value for name, value in variables.items() if name.lower() != "no_proxy"} | direct
        ran = place.codex("-p", "windows-ai", "exec", "--skip-git-repo-check", "hi", environment=environment)

    assert (ran.exit_code, ran.stdout) == (0, "Done.\n"), ran.stderr
    assert seen == []
    assert place.cwai("setup", "codex", "restore").exit_code == 0
    assert (place.codex_home / ".env").read_text(encoding="utf-8") == "MINE=1"


def test_the_profile_of_the_tools_keeps_the_users_model(place: Workplace) -> None:
    (place.codex_home / "config.toml").write_text(
        f'model = "tiny"\nmodel_provider = "mine"\nanalytics.enabled = false\nfeatures.plugins = false\n'
        f'[model_providers.mine]\nname = "mine"\nbase_url = "{place.host.url}/v1"\nwire_api = "responses"\n'
        f'experimental_bearer_token = "{place.host.host.token}"\n',
        encoding="utf-8",
    )
    place.cwai("setup", "codex")

    ran = place.codex("--strict-config", "-p", "windows-ai-tools", "exec", "--skip-git-repo-check", "hi")

    names = {tool["name"] for tool in place.host.asked[0].body["tools"] if "name" in tool}
    assert {"mcp__windows_ai", "exec_command", "view_image"} <= names, ran.stderr


def test_the_catalogue_is_that_of_the_loaded_model(place: Workplace) -> None:
    place.cwai("setup", "codex")

    shown = json.loads(place.cwai("setup", "codex", "show", "--json").stdout)
    texts = {file["path"].rpartition("/")[2]: file["text"] for file in shown["files"]}
    [model] = json.loads(texts["windows-ai.models.json"])["models"]
    profile = tomllib.loads(texts["windows-ai.config.toml"])
    assert (model["slug"], model["context_window"]) == ("tiny", 32_768)
    assert profile["model"] == "tiny"
    assert profile["model_providers"]["windows-ai"]["base_url"] == f"{place.host.url}/v1"


def test_a_file_of_that_name_is_refused_by_name(place: Workplace) -> None:
    (place.codex_home / "windows-ai.config.toml").write_text("mine = true\n", encoding="utf-8")

    ran = place.cwai("setup", "codex")

    assert ran.exit_code == 1
    assert "windows-ai.config.toml is there already and is not ours" in ran.stderr
    assert {path.name for path in place.codex_home.iterdir()} == {"windows-ai.config.toml"}


@pytest.mark.parametrize("position", ["before", "after"])
def test_the_users_own_settings_win_wherever_they_stand(position: str, place: Workplace) -> None:
    own = ("-c", "model_reasoning_summary='none'", "-c", 'developer_instructions="Speak like a pirate."')
    place.host.begin("Arr.")

    arguments = (
        (*own, "exec", "--skip-git-repo-check") if position == "before" else ("exec", "--skip-git-repo-check", *own)
    )
    ran = place.cwai("codex", "--use-windows-ai", *arguments, "hi")

    assert (ran.exit_code, ran.stdout) == (0, "Arr.\n"), ran.stderr
    assert "Speak like a pirate." in json.dumps(place.host.asked[0].body["input"])
