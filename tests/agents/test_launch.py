"""Launching an agent: what it is told, what stays out of its way, and what comes back."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from codex_windows_ai.agents.agent import Agent, Configuration, HostModel, Smaller
from codex_windows_ai.agents.fit import check_fit, shortfall
from codex_windows_ai.agents.known.agents import AGENTS
from codex_windows_ai.agents.launch import environment_of, find_program, launch
from codex_windows_ai.cli.launch import NAMES
from codex_windows_ai.errors import InvalidRequestError, NotAvailableError

MODEL = HostModel("http://127.0.0.1:8417", "the-token", "some/model", 32_768, 4_096)


def configure(model: HostModel, folder: Path) -> Configuration:
    (folder / "settings").write_text(model.name, encoding="utf-8")
    return Configuration({"ITS_SETTINGS": str(folder / "settings")}, ("--its", "own"), without=("ELSEWHERE",))


AGENT = Agent("example", "Example", "example", "example-agent", 5_000, configure, Smaller("--bare", 1_000))


def install(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program `example` on PATH that runs this Python code."""
    program = folder / "example"
    program.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder))


def test_an_agent_is_told_by_its_environment_and_by_files_that_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen.json"
    code = (
        "import json, os, sys\n"
        "path = os.environ['ITS_SETTINGS']\n"
        "seen = [sys.argv[1:], open(path).read(), path, os.stat(os.path.dirname(path)).st_mode, dict(os.environ)]\n"
        f"open({str(seen)!r}, 'w').write(json.dumps(seen))\n"
        "sys.exit(7)\n"
    )
    install(tmp_path, code, monkeypatch)
    monkeypatch.setenv("ELSEWHERE", "https://elsewhere.example")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "intranet.example")

    assert launch(AGENT, MODEL, ["a b", "--flag", ""]) == 7

    arguments, settings, path, mode, environment = json.loads(seen.read_text())
    assert arguments == ["--its", "own", "a b", "--flag", ""]
    assert settings == "some/model"
    assert not Path(path).exists()
    assert stat.S_IMODE(mode) == 0o700
    assert "ELSEWHERE" not in environment
    assert environment["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert {"intranet.example", "127.0.0.1", "localhost"} <= set(environment["NO_PROXY"].split(","))


def test_a_signal_is_the_agents_own_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n", monkeypatch)
    assert launch(AGENT, MODEL, []) == 128 + signal.SIGTERM

    # SIGTERM is passed on, SIGINT is not taken for the agent's end; the handlers are as before behind it.
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        "assert signal.getsignal(signal.SIGINT) == signal.default_int_handler\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "signal.pause()\n"
    )
    install(tmp_path, code, monkeypatch)
    before = signal.getsignal(signal.SIGINT)
    assert launch(AGENT, MODEL, []) == 9
    assert signal.getsignal(signal.SIGINT) == before


def test_an_agent_that_is_not_here_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotAvailableError, match="no `example` on PATH") as caught:
        find_program(AGENT)
    assert caught.value.hint == "Install it with `npm install -g example-agent`."

    (tmp_path / "example").write_text("#!/nowhere/at/all\n", encoding="utf-8")
    (tmp_path / "example").chmod(0o700)
    with pytest.raises(NotAvailableError, match="does not run"):
        launch(AGENT, MODEL, [])


def test_npms_batch_file_is_not_run_by_windows_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "example.cmd"
    shim.write_text('"%_prog%"  "%dp0%\\node_modules\\example-agent\\bin\\example.js" %*\r\n', encoding="utf-8")
    monkeypatch.setattr("shutil.which", {"example": str(shim), "node": "NODE"}.get)
    script = tmp_path / "node_modules" / "example-agent" / "bin" / "example.js"
    assert find_program(AGENT) == ["NODE", str(script)]

    shim.write_text('"%dp0%\\node_modules\\example-agent\\example.exe" %*\r\n', encoding="utf-8")
    assert find_program(AGENT) == [str(tmp_path / "node_modules" / "example-agent" / "example.exe")]


def test_a_first_prompt_that_does_not_fit_is_said_with_what_to_do() -> None:
    assert shortfall(AGENT, 8_192) is None
    check_fit(AGENT, "small", 8_192, [])

    with pytest.raises(InvalidRequestError, match=r"about 5,000 tokens, and the window of small holds 4,096") as caught:
        check_fit(AGENT, "small", 4_096, ["run", "hi"])
    assert caught.value.hint is not None
    assert "`cwai launch example -- --bare` sends about 1,000" in caught.value.hint
    assert "5,256 tokens or more" in caught.value.hint
    check_fit(AGENT, "small", 4_096, ["--bare", "hi"])

    assert "--bare" not in (shortfall(AGENT, 512) or "--bare")


def test_an_answer_may_have_half_of_what_the_first_prompt_leaves() -> None:
    assert AGENT.output_tokens(9_000) == 2_000
    assert AGENT.output_tokens(9_000, ["--bare"]) == 4_000
    assert AGENT.output_tokens(5_100) == 256
    assert AGENT.output_tokens(1_000_000) == 8_192


def test_every_agent_can_be_launched_by_its_name() -> None:
    assert [*AGENTS, "codex"] == list(NAMES)


@pytest.mark.parametrize("agent", AGENTS.values(), ids=lambda agent: agent.name)
def test_the_token_is_in_no_argument_and_in_no_file_that_others_may_read(agent: Agent, tmp_path: Path) -> None:
    configuration = agent.configure(MODEL, tmp_path)
    environment = environment_of(configuration, MODEL.url, {})

    assert MODEL.token not in " ".join(configuration.arguments)
    files = [file for file in tmp_path.rglob("*") if MODEL.token in file.read_text(encoding="utf-8")]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    told = json.dumps(environment) + "".join(file.read_text(encoding="utf-8") for file in tmp_path.rglob("*"))
    assert MODEL.token in told
    assert MODEL.name in told + " ".join(configuration.arguments)
    assert "127.0.0.1:8417" in told
    assert "127.0.0.1" in environment["NO_PROXY"].split(",")


def test_a_wrong_name_and_a_missing_agent_have_the_exit_codes_of_their_kind(tmp_path: Path) -> None:
    def cwai(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PATH": str(tmp_path), "CODEX_WINDOWS_AI_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-m", "codex_windows_ai.cli", "launch", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)

    wrong = cwai("emacs")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "There is no agent `emacs`; take one of claude-code, opencode" in wrong.stderr

    missing = cwai("pi", "--", "-p", "hi")
    assert (missing.returncode, missing.stdout) == (4, "")
    assert "hint: Install it with `npm install -g @earendil-works/pi-coding-agent`." in missing.stderr
    assert not (tmp_path / "home").exists()  # no host was started for nothing
