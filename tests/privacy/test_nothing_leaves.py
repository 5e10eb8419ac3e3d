"""Nothing leaves the machine: every command, behind a proxy and with a name server that tells.

`watcher.py` says how that is seen. A library that collects and sends later is seen by what it leaves in the user's
home.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.main import get_command

from codex_windows_ai.cli.main import app
from codex_windows_ai.codex.launch import find_codex
from codex_windows_ai.settings import DEFAULT_MODEL
from tests.cli.program import COMMAND
from tests.engine.tiny_model import make_tiny_model, write_gguf
from tests.privacy.watched import watch
from tests.served import make_home

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="network namespaces")

WINDOW = 32_768  # what Codex sends is some thousand tokens, which are bytes here
OURS, CODEX = "cwai", "codex"
NOT_HERE = 4
CLIENT = [sys.executable, "-m", "tests.privacy.clients"]

LEAK = """
import socket, urllib.request
def attempt(what, *arguments):
    try:
        what(*arguments)
    except OSError:
        pass
attempt(socket.create_connection, ("collector.example", 443))
attempt(socket.create_connection, ("2001:db8:1::1", 80))
attempt(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b"x", ("198.51.100.7", 123))
attempt(urllib.request.urlopen, "http://127.0.0.1:1/v1/responses")
attempt(urllib.request.urlopen, "https://collector.example/")
open(__import__("os").environ["HOME"] + "/deviceid", "w").close()
"""


@dataclass(frozen=True)
class Story:
    """Command lines that are run one after another, and those of them that this machine cannot do (exit code 4)."""

    commands: Sequence[str]
    unavailable: Sequence[str] = ()
    beside: str = ""


STORIES = {
    "a host that is started when it is needed": Story(
        (
            "cwai exec --use-windows-ai --max-output-tokens 4 hi",
            "cwai exec --use-windows-ai --json --file {gguf}.txt --max-output-tokens 4 hi",
            "cwai exec --kernel-accelerated --max-output-tokens 4 hi",
            "cwai status --json",
            "cwai top --once",
            "cwai top --json",
            "cwai token --headers",
            "client stdio",
            "client http",
            "cwai setup odr manifest",
            "cwai stop",
            "cwai mcp",
            "cwai stop",
        )
    ),
    "a host that the user starts": Story(("client http", "cwai status"), beside="cwai serve --port 0"),
    "a host that other machines reach": Story(
        ("client http", "cwai status"), beside="cwai serve --port 0 --host 192.0.2.2 --token-file {token}"
    ),
    "models": Story(
        (
            "cwai models add {gguf} --name mine",
            "cwai models list",
            "cwai models path mine",
            "cwai models verify mine",
            "cwai models show mine",
            "cwai exec --use-windows-ai --model mine --max-output-tokens 4 hi",
            "cwai stop",
            "cwai models remove mine",
        )
    ),
    "the machine": Story(
        (
            "cwai --version",
            "cwai doctor",
            "cwai doctor --json",
            "cwai gpu path",
            "cwai gpu list",
            "cwai gpu fetch WebGpuExecutionProvider",
            "cwai config show",
            "cwai config path",
            "cwai driver status",
            "cwai driver start",
            "cwai driver stop",
            "cwai driver install {gguf}",
            "cwai driver uninstall",
            "cwai driver build",
            "cwai setup odr add",
            "cwai setup odr list",
            "cwai setup odr remove",
        ),
        unavailable=("gpu", "driver", "setup odr"),
    ),
    "editors": Story(
        tuple(
            f"cwai setup {editor} {option}".strip()
            for editor in ("vscode", "claude-code", "cursor")
            for option in ("", "--write", "restore")
        )
    ),
    "Codex": Story(
        (
            "cwai codex --use-windows-ai exec --skip-git-repo-check hi",
            "cwai setup codex --dry-run",
            "cwai setup codex",
            "cwai setup codex show",
            "codex -p windows-ai exec --skip-git-repo-check hi",
            "client codex",
            "cwai setup codex restore",
        ),
        beside="scripted",
    ),
    "other agents": Story(
        (
            "cwai launch codex -- exec --skip-git-repo-check hi",
            *(
                f"cwai setup {agent} {option}".strip()
                for agent in ("opencode", "pi", "kilo")
                for option in ("", "--write", "restore")
            ),
            "cwai setup claude-code model",
            "cwai setup claude-code model --write",
            "cwai setup claude-code restore",
        ),
        beside="scripted",
    ),
    "a measurement": Story(("cwai bench soak --minutes 0.02 --model {model}",)),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"), context=WINDOW).path


def command_line(text: str, places: dict[str, str]) -> list[str]:
    """The arguments of a command of a story."""
    program, *arguments = text.split()
    programs = {
        "cwai": COMMAND,
        "codex": [str(find_codex())],
        "client": CLIENT,
        "scripted": [sys.executable, "-m", "tests.privacy.scripted_host", places["model"]],
    }
    return [*programs[program], *(argument.format(**places) for argument in arguments)]


def lay_out(folder: Path, model: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What the commands of a story name, and the environment that they run in."""
    places = {"model": str(model), "gguf": str(folder / "mine.gguf"), "token": str(folder / "token")}
    write_gguf(Path(places["gguf"]))
    Path(f"{places['gguf']}.txt").write_text("text", encoding="utf-8")
    Path(places["token"]).touch(0o600)
    Path(places["token"]).write_text("0" * 64, encoding="utf-8")
    (folder / "codex").mkdir()
    home = make_home(folder / "home", model)
    return places, {"CODEX_WINDOWS_AI_HOME": str(home), "CODEX_HOME": str(folder / "codex")}


@pytest.mark.parametrize("name", STORIES)
def test_nothing_leaves_the_machine(name: str, model: Path, tmp_path: Path) -> None:
    story = STORIES[name]
    places, environment = lay_out(tmp_path, model)
    commands = [command_line(text, places) for text in story.commands]
    beside = command_line(story.beside, places) if story.beside else ()

    watched = watch(commands, tmp_path, environment, beside)

    assert watched.seen == []
    for text, ran in zip(story.commands, watched.ran, strict=True):
        may_fail = any(text.startswith(f"cwai {part}") for part in story.unavailable)
        assert ran.exit_code == 0 or (may_fail and ran.exit_code in (1, 2, NOT_HERE)), (text, ran)
    assert watched.files == []


def test_every_command_is_in_a_story() -> None:
    told = {text for story in STORIES.values() for text in (*story.commands, story.beside)}

    missing = [command for command in leaves() if not any(text.startswith(f"cwai {command}") for text in told)]

    assert missing == []


def leaves() -> Iterator[str]:
    """Every command that does something."""
    waiting = [((), get_command(app))]
    while waiting:
        path, command = waiting.pop()
        children = getattr(command, "commands", {})
        if not children or getattr(command, "invoke_without_command", False):
            yield " ".join(path)
        waiting += [((*path, name), child) for name, child in children.items()]


def test_what_does_leave_is_seen(tmp_path: Path) -> None:
    watched = watch([[sys.executable, "-c", LEAK]], tmp_path)

    assert watched.ran[0].exit_code == 0, watched.ran
    # Packets and what a proxy gets are heard by two listeners, of which either may be first.
    assert sorted(watched.seen) == sorted(
        [
            "the name collector.example was looked up",
            "TCP to 192.0.2.1 port 443",
            "TCP to 2001:db8:1::1 port 80",
            "UDP to 198.51.100.7 port 123",
            "the proxy got: GET http://127.0.0.1:1/v1/responses HTTP/1.1",
            "the proxy got: CONNECT collector.example:443 HTTP/1.0",
        ]
    )
    assert watched.files == ["deviceid"]


def test_codex_without_our_settings_is_seen(tmp_path: Path) -> None:
    (tmp_path / "codex").mkdir()
    (tmp_path / "codex" / "config.toml").write_text(
        'model = "tiny"\nmodel_provider = "plain"\n'
        '[model_providers.plain]\nname = "plain"\nbase_url = "http://127.0.0.1:1/v1"\nwire_api = "responses"\n'
        'request_max_retries = 0\nstream_max_retries = 0\nexperimental_bearer_token = "a-token"\n',
        encoding="utf-8",
    )
    command = [str(find_codex()), "exec", "--skip-git-repo-check", "hi"]

    watched = watch([command], tmp_path, {"CODEX_HOME": str(tmp_path / "codex")})

    assert "the proxy got: POST http://127.0.0.1:1/v1/responses HTTP/1.1" in watched.seen


def test_the_one_download_asks_the_users_own_index_and_nobody_else(tmp_path: Path) -> None:
    settings = {
        "CODEX_WINDOWS_AI_HOME": str(tmp_path / "home"),
        "PIP_INDEX_URL": "https://index.example/simple",
        "PIP_RETRIES": "0",
    }

    watched = watch([[*COMMAND, "models", "add", DEFAULT_MODEL]], tmp_path, settings)

    assert watched.ran[0].exit_code == 1, watched.ran
    assert {sentence.partition(" HTTP")[0] for sentence in watched.seen} == {"the proxy got: CONNECT index.example:443"}
    assert [file for file in watched.files if not file.startswith(".rustup/")] == []  # pip asks Rust for its version
