"""The host's process: its start, its end, and what goes wrong with either."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from codex_windows_ai.discovery.record import HostRecord
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.host import process
from codex_windows_ai.host.process import ServeOptions, serve
from codex_windows_ai.settings import Settings
from tests.cli.program import COMMAND, cwai, environment_with
from tests.served import PATIENCE, ServedHost, make_home, read_host_file, serving, stop_host_of, what_it_said


@pytest.fixture
def home(tiny_model_path: Path, tmp_path: Path) -> Path:
    """A home folder of the test's own, in which the tiny model answers."""
    return make_home(tmp_path / "home", tiny_model_path)


def wait_until_loaded(host: ServedHost) -> None:
    """Asks for what needs the model, which waits for it."""
    httpx2.get(f"{host.url}/v1/models", headers=host.headers, timeout=PATIENCE).raise_for_status()


def test_status_has_the_keys_that_others_rely_on(served_host: ServedHost) -> None:
    ran = cwai("status", "--json", home=served_host.home)

    status = json.loads(ran.stdout)
    assert ran.exit_code == 0
    assert status["schema_version"] == 1
    assert (status["url"], status["token_file"]) == (served_host.url, str(served_host.token_file))
    assert status["pid"] == served_host.process.pid
    assert (status["models"], status["state"]) == (["smollm2-135m-instruct"], "ready")
    assert status["uptime_seconds"] > 0
    assert {"version", "requests", "active_requests", "agents"} < status.keys()
    assert status["queue"]["running"] == 0
    assert status["channels"] == {"open": True, "detail": f"At {served_host.home / 'state' / 'channel.sock'}."}


def test_status_in_words_names_address_state_and_models(served_host: ServedHost) -> None:
    text = cwai("status", home=served_host.home).stdout

    assert f"url:        {served_host.url}\n" in text
    assert "state:      ready\n" in text
    assert "models:     smollm2-135m-instruct\n" in text
    assert served_host.token not in text


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_a_host_status_ends_with_5_and_says_so(options: list[str], tmp_path: Path) -> None:
    ran = cwai("status", *options, home=tmp_path)

    assert ran.exit_code == 5
    assert "No host runs." in ran.stderr
    assert not options or json.loads(ran.stdout)["error"]["code"] == "host_unreachable"


def test_without_a_host_stop_has_nothing_to_do(tmp_path: Path) -> None:
    ran = cwai("stop", home=tmp_path)

    assert (ran.exit_code, ran.stderr) == (0, "cwai: no host runs\n")
    assert json.loads(cwai("stop", "--json", home=tmp_path).stdout)["stopped"] is False


def test_stop_ends_the_host_and_takes_its_file_away(home: Path) -> None:
    with serving(home) as host:
        ran = cwai("stop", "--json", home=home)

        assert json.loads(ran.stdout) == {
            "schema_version": 1,
            "stopped": True,
            "pid": host.process.pid,
            "clean": True,
        }
        assert host.process.wait(PATIENCE) == 0
    assert read_host_file(home) is None
    assert cwai("status", home=home).exit_code == 5


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals to one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals, home: Path) -> None:
    with serving(home) as host:
        wait_until_loaded(host)
        host.process.send_signal(number)

        assert host.process.wait(PATIENCE) == 0
        assert host.process.stderr
        assert host.process.stderr.read() == ""
    assert read_host_file(home) is None


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals to one process")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_cleanly_from_the_moment_it_says_that_it_listens(number: str, tmp_path: Path) -> None:
    program = f"""
import os, signal
from codex_windows_ai.host.process import ServeOptions, serve
from codex_windows_ai.settings import Settings
serve(Settings(port=0), ServeOptions(), on_listening=lambda _: os.kill(os.getpid(), signal.{number}))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_with(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert read_host_file(tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_after_a_kill_the_file_is_stale_and_the_next_host_starts_on_the_same_port(home: Path) -> None:
    with serving(home) as host:
        port = httpx2.URL(host.url).port
        host.process.kill()
        host.process.wait(PATIENCE)
    assert read_host_file(home) is not None
    assert cwai("status", home=home).exit_code == 5

    with serving(home, "--port", str(port)) as next_host:
        assert next_host.url == host.url
        assert next_host.token == host.token
        assert cwai("status", home=home).exit_code == 0


def test_a_second_host_is_refused_and_says_where_the_first_is(served_host: ServedHost) -> None:
    ran = cwai("serve", home=served_host.home)

    assert ran.exit_code == 1
    assert f"A host runs already at {served_host.url} (process {served_host.process.pid})" in ran.stderr
    assert "cwai stop" in ran.stderr


def test_a_port_that_is_taken_is_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        ran = cwai("serve", "--port", str(port), home=home)

    assert ran.exit_code == 1
    assert f"port {port}" in ran.stderr
    assert "--port" in ran.stderr
    assert read_host_file(home) is None


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.0.0.1.example.org"])
def test_other_machines_are_not_let_in_without_a_token_file(
    address: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(home))

    with pytest.raises(InvalidRequestError, match=address) as caught:
        serve(Settings(), ServeOptions(address=address))

    assert "--token-file" in str(caught.value.hint)
    assert not (home / "state").exists()


def write_token(file: Path) -> None:
    file.touch(0o600)
    file.write_text("a-token-that-is-long-enough\n", encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits")
@pytest.mark.parametrize("mode", [0o644, 0o666, 0o640, 0o660, 0o602, 0o620])
def test_a_token_file_that_others_may_read_or_write_is_refused(mode: int, home: Path, tmp_path: Path) -> None:
    write_token(tmp_path / "token")
    (tmp_path / "token").chmod(mode)

    ran = cwai("serve", "--port", "0", "--token-file", str(tmp_path / "token"), home=home)

    assert ran.exit_code == 2
    assert f"chmod 600 {tmp_path / 'token'}" in ran.stderr
    assert read_host_file(home) is None


def has_ipv6() -> bool:
    """Whether this machine has the other loopback address."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no ::1 on this machine")
@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_both_loopback_addresses_are_served_whatever_localhost_means(address: str, home: Path) -> None:
    with serving(home, "--host", address) as host:
        port = httpx2.URL(host.url).port
        urls = {f"http://127.0.0.1:{port}", f"http://[::1]:{port}"}
        for url in urls:
            answer = httpx2.get(f"{url}/status", headers=host.headers)
            assert (answer.status_code, set(answer.json()["urls"]), answer.json()["remarks"]) == (200, urls, [])


@pytest.mark.skipif(not has_ipv6(), reason="no ::1 on this machine")
def test_a_host_whose_other_loopback_is_taken_goes_on_and_says_so(home: Path) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        with serving(home, "--port", str(port)) as host:
            assert host.url == f"http://127.0.0.1:{port}"
            status = cwai("status", home=home).stdout
            log = what_it_said(host)

    for said in (status, log):
        assert f"Another program listens on http://[::1]:{port}" in said


def test_an_open_loopback_is_said_wherever_one_looks(home: Path) -> None:
    setting = {"CODEX_WINDOWS_AI_OPEN_LOOPBACK": "true"}
    with serving(home, **setting) as host:
        assert httpx2.get(f"{host.url}/v1/models", timeout=PATIENCE).status_code == 200
        status = cwai("status", home=home).stdout
        doctor = json.loads(cwai("doctor", "--json", home=home, environment=setting).stdout)["checks"]
        log = what_it_said(host)

    assert doctor["config.settings"]["status"] == "warning"
    for said in (status, log, doctor["config.settings"]["summary"]):
        assert "need no token" in said


def test_an_address_of_another_machine_is_named(home: Path, tmp_path: Path) -> None:
    write_token(tmp_path / "token")

    ran = cwai("serve", "--host", "192.0.2.1", "--port", "0", "--token-file", str(tmp_path / "token"), home=home)

    assert ran.exit_code == 1
    assert "192.0.2.1" in ran.stderr


def test_with_a_token_file_other_machines_may_call_it_by_the_names_of_this_one(home: Path, tmp_path: Path) -> None:
    write_token(tmp_path / "token")
    with serving(home, "--host", "0.0.0.0", "--token-file", str(tmp_path / "token")) as host:
        assert host.token == "a-token-that-is-long-enough"
        named = {"host": socket.gethostname(), **host.headers}
        assert httpx2.get(f"{host.url}/status", headers=named).status_code == 200
        assert httpx2.get(f"{host.url}/status", headers={"host": socket.gethostname()}).status_code == 401
        assert httpx2.get(f"{host.url}/status", headers={"host": "evil.example", **host.headers}).status_code == 403


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that not even an administrator can write to")
@pytest.mark.parametrize("command", [["serve"], ["exec", "--use-windows-ai", "hi"]])
def test_a_state_folder_that_cannot_be_written_is_named(command: list[str]) -> None:
    ran = cwai(*command, home=Path("/proc/cwai"))

    assert ran.exit_code == 1
    assert "/proc/cwai" in ran.stderr
    assert "CODEX_WINDOWS_AI_HOME" in ran.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_that_takes_nothing_is_said_and_nothing_half_written_stays(home: Path) -> None:
    ran = cwai("serve", "--port", "0", home=home, limit="-f 0")

    assert ran.exit_code == 1
    assert f"Cannot write {home / 'state' / 'token'}" in ran.stderr
    assert "CODEX_WINDOWS_AI_HOME" in ran.stderr
    assert [file.name for file in (home / "state").iterdir()] == ["host.lock"]


def test_a_model_that_cannot_be_loaded_is_in_status_and_requests_get_its_error(home: Path) -> None:
    with serving(home, "--model", "absent") as host:
        answer = httpx2.get(f"{host.url}/v1/models", headers=host.headers, timeout=PATIENCE)
        ran = cwai("status", "--json", home=home)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
    status = json.loads(ran.stdout)
    assert (status["state"], status["models"], status["queue"]) == ("failed", [], None)
    assert "`absent`" in status["error"]["message"]


def test_an_idle_host_ends_by_itself(home: Path) -> None:
    with serving(home, "--idle-stop", "0.2") as host:
        assert host.process.wait(PATIENCE) == 0
    assert read_host_file(home) is None


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use is not removed there")
def test_a_host_that_nobody_can_find_any_more_ends(
    tiny_model_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(home))
    monkeypatch.setattr(process, "RECORD_SECONDS", 0.05)

    def clean_up(record: HostRecord) -> None:
        (home / "state").rename(home / "elsewhere")

    # It returns at all: without idle stop nothing else ends it.
    settings = Settings(model=str(tiny_model_path), threads=1, port=0, idle_stop=0.0)
    serve(settings, ServeOptions(on_demand=True), on_listening=clean_up)

    assert not (home / "state" / "host.json").exists()


@pytest.fixture
def counted_starts(tmp_path: Path) -> Iterator[Path]:
    """A folder for `PYTHONPATH` with which every process that loads a model leaves a file there."""
    folder = tmp_path / "counted"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os, pathlib, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'codex_windows_ai.engine.core':\n"
        f"            pathlib.Path({str(folder)!r}, f'{{os.getpid()}}.loaded').touch()\n"
        "sys.meta_path.insert(0, Finder())\n",
        encoding="utf-8",
    )
    yield folder


ENSURE = """
import asyncio, sys
from codex_windows_ai.client.starter import ensure_host
print("ready", flush=True)
sys.stdin.readline()
print(asyncio.run(ensure_host()).pid)
"""


def test_of_many_that_start_at_once_one_becomes_the_host(home: Path, counted_starts: Path) -> None:
    environment = environment_with(home, {"PYTHONPATH": str(counted_starts), "CODEX_WINDOWS_AI_PORT": "0"})
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", ENSURE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        for _ in range(4)
    ]
    try:
        for starter in starters:
            assert starter.stdout and starter.stdout.readline() == "ready\n"
        pids = {starter.communicate("\n", timeout=PATIENCE)[0] for starter in _released(starters)}

        assert len(pids) == 1
        assert int(pids.pop()) == json.loads(cwai("status", "--json", home=home).stdout)["pid"]
        assert len(list(counted_starts.glob("*.loaded"))) == 1
    finally:
        for starter in starters:
            starter.kill()
            starter.communicate()
        stop_host_of(home)


def _released(starters: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """All starters, let go before the first is waited for."""
    for starter in starters:
        assert starter.stdin
        starter.stdin.write("\n")
        starter.stdin.flush()
    return starters


def test_two_that_serve_at_once_yield_one_host(home: Path) -> None:
    processes = [
        subprocess.Popen(
            [*COMMAND, "serve", "--port", "0"], stderr=subprocess.PIPE, env=environment_with(home), text=True
        )
        for _ in range(2)
    ]
    try:
        first_lines = [process.stderr.readline() for process in processes if process.stderr]
        assert sorted(line.startswith("cwai: listening on ") for line in first_lines) == [False, True]
        assert sum("A host runs already" in line for line in first_lines) == 1
    finally:
        stop_host_of(home)
        for process in processes:
            process.communicate(timeout=PATIENCE)
    assert sorted(process.returncode for process in processes) == [0, 1]


def test_whoever_sits_on_the_recorded_port_is_not_shown_the_token(home: Path) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as foreign, serving(home) as host:
        wait_until_loaded(host)
        file = home / "state" / "host.json"
        record = json.loads(file.read_text(encoding="utf-8"))
        record["url"] = f"http://127.0.0.1:{foreign.getsockname()[1]}"
        file.write_text(json.dumps(record), encoding="utf-8")

        def answer() -> None:
            connection, _ = foreign.accept()
            with connection:
                heard.append(connection.recv(65536))
                body = b'{"status": "ok", "proof": "00"}'
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

        thread = threading.Thread(target=answer)
        thread.start()
        ran = cwai("status", home=home)
        thread.join(PATIENCE)

        assert ran.exit_code == 5
        assert "is not the host" in ran.stderr
        assert heard and host.token.encode() not in heard[0]


def test_a_host_that_is_gone_without_a_trace_of_its_process_is_replaced(home: Path) -> None:
    (home / "state").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        url = f"http://127.0.0.1:{foreign.getsockname()[1]}"
        stale = {"schema_version": 1, "url": url, "port": foreign.getsockname()[1], "token_file": "absent", "pid": 1}
        stale |= {
            "process_start": "0",
            "version": "0",
            "model": "x",
            "provider": "auto",
            "models": [],
            "on_demand": True,
        }
        (home / "state" / "host.json").write_text(json.dumps(stale), encoding="utf-8")

        with serving(home) as host:
            assert host.url != url
            assert cwai("status", home=home).exit_code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="SIGSTOP")
def test_a_host_that_does_not_answer_any_more_is_killed_by_stop(home: Path) -> None:
    with serving(home) as host:
        wait_until_loaded(host)
        host.process.send_signal(signal.SIGSTOP)

        ran = cwai("stop", home=home)

        assert ran.exit_code == 0
        assert "was killed" in ran.stderr
        assert host.process.wait(PATIENCE) == -signal.SIGKILL
    with serving(home):
        assert cwai("status", home=home).exit_code == 0


def test_stop_while_a_model_still_loads_leaves_no_process_behind(silent_index: str, tmp_path: Path) -> None:
    offline = {"PIP_INDEX_URL": silent_index, "PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": ""}
    home = tmp_path / "home"
    with serving(home, **offline) as host:
        children = []
        while not children:  # pip, which waits for an answer that never comes
            assert host.process.poll() is None
            children = psutil.Process(host.process.pid).children(recursive=True)

        assert cwai("stop", home=home).exit_code == 0
        assert host.process.wait(PATIENCE) == 0
        assert psutil.wait_procs(children, timeout=PATIENCE)[1] == []


def test_no_prompt_and_no_token_is_ever_in_the_log(home: Path) -> None:
    try:
        answered = cwai("exec", "--use-windows-ai", "--max-output-tokens", "3", "marzipan", home=home)
        refused = cwai("exec", "--use-windows-ai", "marzipan " * 2000, home=home)
    finally:
        stop_host_of(home)

    assert (answered.exit_code, refused.exit_code) == (0, 1), answered.stderr + refused.stderr
    log = (home / "state" / "host.log").read_text(encoding="utf-8")
    assert "listens on http://127.0.0.1:" in log
    assert "marzipan" not in log
    assert (home / "state" / "token").read_text(encoding="utf-8").strip() not in log
