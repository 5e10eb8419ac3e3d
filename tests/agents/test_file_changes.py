"""Changes to other programs' configuration: shown, refused over what is not ours, undone byte by byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_windows_ai.agents.file_changes import apply, plan_entry, plan_file, plan_lines, plan_restore, restore
from codex_windows_ai.errors import SetupConflictError, StorageError

ENTRY = ("servers", "windows-ai")
SERVER = {"command": "cwai", "args": ["mcp"]}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_new_file_is_written_and_restore_removes_it_and_the_record(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "codex" / "profile.toml"
    apply([plan_file(file, "a = 1\n")])
    assert file.read_text(encoding="utf-8") == "a = 1\n"

    restore(plan_restore([file]))

    assert not file.exists()
    assert not (home / "config" / "setup.json").exists()


def test_the_diff_shows_a_file_that_appears_and_one_that_changes(tmp_path: Path) -> None:
    file = tmp_path / "profile.toml"
    first = plan_file(file, "a = 1\n")
    assert first.diff() == f"--- /dev/null\n+++ {file}\n@@ -0,0 +1 @@\n+a = 1\n"
    apply([first])

    second = plan_file(file, "a = 2\n")
    assert second.diff() == f"--- {file}\n+++ {file}\n@@ -1 +1 @@\n-a = 1\n+a = 2\n"


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "profile.toml"
    apply([plan_file(file, "a = 1\n")])

    assert plan_file(file, "a = 1\n").diff() == ""


def test_a_file_of_the_user_is_refused_and_untouched(tmp_path: Path) -> None:
    file = tmp_path / "profile.toml"
    file.write_text("mine = true\n", encoding="utf-8")

    with pytest.raises(SetupConflictError, match="not ours"):
        plan_file(file, "a = 1\n")
    assert file.read_text(encoding="utf-8") == "mine = true\n"


def test_with_force_a_file_of_the_user_comes_back_whatever_was_written_since(tmp_path: Path) -> None:
    file = tmp_path / "profile.toml"
    original = b"mine = true\r\n# no newline at the end: \xc3\xa9"
    file.write_bytes(original)
    apply([plan_file(file, "a = 1\n", force=True)])
    apply([plan_file(file, "a = 2\n")])

    restore(plan_restore([file]))

    assert file.read_bytes() == original


def test_a_file_that_was_edited_since_is_refused_in_both_directions(tmp_path: Path) -> None:
    file = tmp_path / "profile.toml"
    apply([plan_file(file, "a = 1\n")])
    file.write_text("a = 1\nmine = true\n", encoding="utf-8")

    with pytest.raises(SetupConflictError, match="edited since"):
        plan_file(file, "a = 2\n")
    with pytest.raises(SetupConflictError, match="edited since"):
        plan_restore([file])

    restore(plan_restore([file], force=True))
    assert not file.exists()


def test_restore_of_what_was_never_set_up_does_nothing(tmp_path: Path) -> None:
    file = tmp_path / "profile.toml"
    file.write_text("mine = true\n", encoding="utf-8")

    assert plan_restore([file]) == []


def test_a_file_that_the_user_deleted_stays_deleted(tmp_path: Path) -> None:
    file = tmp_path / "profile.toml"
    file.write_text("mine = true\n", encoding="utf-8")
    apply([plan_file(file, "a = 1\n", force=True)])
    file.unlink()

    restore(plan_restore([file]))

    assert not file.exists()


def test_a_link_stays_a_link_and_the_mode_is_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("{}", encoding="utf-8")
    target.chmod(0o600)
    link.symlink_to(target)

    apply([plan_entry(link, ENTRY, SERVER)])

    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    assert json.loads(target.read_text(encoding="utf-8")) == {"servers": {"windows-ai": SERVER}}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=5
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    document=st.dictionaries(st.text(), JSON_VALUES),
    others=st.dictionaries(st.text(), JSON_VALUES),
    indent=st.sampled_from([None, 2, 4, "\t"]),
)
def test_an_entry_leaves_all_else_and_restore_gives_the_very_bytes_back(
    document: dict[str, object], others: dict[str, object], indent: int | str | None, tmp_path: Path
) -> None:
    file = tmp_path / "mcp.json"
    others.pop("windows-ai", None)
    document["servers"] = others
    original = json.dumps(document, indent=indent).encode()
    file.write_bytes(original)

    apply([plan_entry(file, ENTRY, SERVER)])
    assert json.loads(file.read_bytes()) == document | {"servers": others | {"windows-ai": SERVER}}

    restore(plan_restore([file]))
    assert file.read_bytes() == original


def test_an_entry_is_taken_out_of_a_file_that_its_owner_wrote_again(tmp_path: Path) -> None:
    file = tmp_path / "claude.json"
    file.write_text('{"startups": 1}', encoding="utf-8")
    apply([plan_entry(file, ENTRY, SERVER)])
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"startups": 2}), encoding="utf-8")
    # A second setup over the rewritten file must not make `restore` go back to before the rewriting.
    apply([plan_entry(file, ENTRY, SERVER | {"command": "elsewhere"})])

    restore(plan_restore([file]))

    assert json.loads(file.read_text(encoding="utf-8")) == {"startups": 2}


def test_an_entry_of_the_user_is_refused_and_with_force_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    mine = {"servers": {"windows-ai": {"command": "mine"}}}
    file.write_text(json.dumps(mine), encoding="utf-8")
    with pytest.raises(SetupConflictError, match=r"servers\.windows-ai"):
        plan_entry(file, ENTRY, SERVER)

    apply([plan_entry(file, ENTRY, SERVER, force=True)])
    file.write_text(file.read_text(encoding="utf-8").replace("{", '{"new": 1, ', 1), encoding="utf-8")
    restore(plan_restore([file]))

    assert json.loads(file.read_text(encoding="utf-8")) == mine | {"new": 1}


@pytest.mark.parametrize("text", ['{ // mine\n "servers": {} }', "[1]", '{"servers": 3}', '{"servers": {},}'])
def test_a_file_that_an_edit_would_damage_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(SetupConflictError):
        plan_entry(file, ENTRY, SERVER)
    assert file.read_text(encoding="utf-8") == text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file, not a folder", encoding="utf-8")

    with pytest.raises(StorageError, match="blocked"):
        apply([plan_file(tmp_path / "blocked" / "profile.toml", "a = 1\n")])


def test_a_damaged_record_is_named(tmp_path: Path, home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "setup.json").write_text("[]", encoding="utf-8")

    with pytest.raises(StorageError, match=r"setup\.json"):
        plan_file(tmp_path / "profile.toml", "a = 1\n")


OURS = "# ours\nA=1\n"


@pytest.mark.parametrize("original", [None, b"", b"B=2\n", b"B=2", b"B=2\r\n# \xc3\xa9"])
def test_lines_go_to_the_end_and_restore_gives_the_very_bytes_back(original: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    if original is not None:
        file.write_bytes(original)

    apply([plan_lines(file, OURS)])
    assert file.read_bytes().startswith(original or b"")
    assert file.read_text(encoding="utf-8").endswith(OURS)
    assert plan_lines(file, OURS).diff() == ""

    restore(plan_restore([file]))
    assert (file.read_bytes() if file.exists() else None) == original


def test_lines_are_taken_out_of_a_file_that_was_edited_since(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("B=2\n", encoding="utf-8")
    apply([plan_lines(file, OURS)])
    file.write_text(f"{file.read_text(encoding='utf-8')}C=3\n", encoding="utf-8")
    apply([plan_lines(file, OURS.replace("1", "4"))])
    assert file.read_text(encoding="utf-8") == f"B=2\nC=3\n{OURS.replace('1', '4')}"

    restore(plan_restore([file]))

    assert file.read_text(encoding="utf-8") == "B=2\nC=3\n"


def test_lines_that_the_user_wrote_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(OURS, encoding="utf-8")

    apply([plan_lines(file, OURS)])
    restore(plan_restore([file]))

    assert file.read_text(encoding="utf-8") == OURS
