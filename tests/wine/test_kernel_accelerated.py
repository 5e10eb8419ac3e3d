"""The whole path on Windows: the real host with the real engine, registered with the driver, asked over a channel."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.settings import DEFAULT_MODEL
from tests.docs.documents import blocks
from tests.engine.tiny_model import make_tiny_model
from tests.wine.driver_machine import DriverMachine, Program
from tests.wine.windows import windows_path

PATIENCE_SECONDS = 60.0

LONG = ("--max-output-tokens", "30000", "--temperature", "0.01")
"""An answer that takes longer than all that a test does meanwhile; at 0 it would end where it repeats itself."""


class Cwai:
    """Runs `cwai` in Windows processes of one user, with a tiny model that has a long window."""

    def __init__(self, machine: DriverMachine, folder: Path) -> None:
        self._machine = machine
        self._environment = {
            "CODEX_WINDOWS_AI_HOME": windows_path(folder / "home"),
            "CODEX_WINDOWS_AI_MODEL": windows_path(make_tiny_model(folder, context=32768).path),
            "CODEX_WINDOWS_AI_PROVIDER": "engine:cpu",
            "CODEX_WINDOWS_AI_THREADS": "1",
        }
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = self._machine.python("-m", "codex_windows_ai.cli", *arguments, environment=self._environment)
        self._started.append(process)
        return process

    def answer(self, *arguments: str, code: int = 0) -> Any:
        """The JSON object of `cwai exec --kernel-accelerated`."""
        return self.answers(1, *arguments, code=code)[0]

    def answers(self, clients: int, *arguments: str, code: int = 0) -> list[Any]:
        """The same of that many processes at once."""
        started = [self.start("exec", "--kernel-accelerated", "--json", *arguments, "hi") for _ in range(clients)]
        found = [_document(process) for process in started]
        assert [ended for ended, _ in found] == [code] * clients, found
        return [answer for _, answer in found]

    def channels(self) -> Any:
        """What `cwai status` says of the channels of the host, once that runs."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "channels" not in (status := _document(self.start("status", "--json"))[1]):
            assert time.monotonic() < deadline, status
        return status["channels"]

    def doctor(self) -> Any:
        """What `cwai doctor` finds about the driver."""
        return _document(self.start("doctor", "--json"))[1]["checks"]["kernel.ai_driver"]

    def begin_answer(self) -> subprocess.Popen[str]:
        """A long answer, of which the first text has come."""
        process = self.start("exec", "--kernel-accelerated", *LONG, "hi")
        assert process.stdin and process.stdout
        process.stdin.close()
        assert process.stdout.read(1)
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.wait(60)
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()
        self._started.clear()


def _document(process: subprocess.Popen[str]) -> tuple[int, Any]:
    """The exit code and the JSON object that a command prints."""
    assert process.stdin and process.stdout
    process.stdin.close()
    lines = [process.stdout.readline()]
    while lines[-1] and lines[-1] != "}\n":  # a host that it starts inherits the pipe, which then has no end
        lines.append(process.stdout.readline())
    return process.wait(60), json.loads("".join(lines))


@pytest.fixture(scope="module")
def cwai(machine: DriverMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cwai]:
    cwai = Cwai(machine, tmp_path_factory.mktemp("kernel-accelerated"))
    yield cwai
    cwai.end()


@pytest.fixture(scope="module")
def observer(machine: DriverMachine) -> Program:
    """A program that looks at the driver's register."""
    program = machine.program()
    program.do("open_bridge", writable=False)
    return program


@pytest.fixture
def host(cwai: Cwai, observer: Program) -> Iterator[subprocess.Popen[str]]:
    """`cwai serve`, registered with the driver."""
    process = cwai.start("serve", "--port", "0")
    until(observer, bool)  # before that a client would start a host of its own
    yield process
    cwai.end()
    until(observer, lambda adapters: not adapters)


def until(observer: Program, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The adapters in the register, as soon as that holds of them."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds(adapters := observer.call("get_gpu_stats")):
        assert time.monotonic() < deadline, adapters
        time.sleep(0.05)
    return adapters


def is_busy(adapters: list[dict[str, Any]]) -> bool:
    return bool(adapters) and adapters[0]["active_requests"] > 0


def is_idle(adapters: list[dict[str, Any]]) -> bool:
    return bool(adapters) and adapters[0]["active_requests"] == 0


def assert_brokered(answer: dict[str, Any]) -> None:
    assert (answer["transport"], answer["brokered_by"]) == ("channel", "ai_driver.sys")
    assert (answer["provider"], answer["execution_provider"]) == ("engine", "CPUExecutionProvider")
    assert (answer["finish_reason"], answer["usage"]["output_tokens"]) == ("length", 5)


def test_the_host_registers_and_answers_any_number_of_clients_over_channels(
    cwai: Cwai, host: subprocess.Popen[str], observer: Program
) -> None:
    (adapter,) = until(observer, bool)
    assert (adapter["runtime_count"], adapter["providers"]) == (1, ["cpu"])
    assert adapter["adapter_name"].startswith("CPU: ")

    first = cwai.answer("--max-output-tokens", "5")
    later = cwai.answers(4, "--max-output-tokens", "5")

    for answer in (first, *later):
        assert_brokered(answer)
        assert answer["text"] == first["text"]
    assert all(answer["usage"]["cached_tokens"] > 0 for answer in later)


def test_the_program_of_the_document_works_as_printed_but_for_the_models_name(
    machine: DriverMachine, host: subprocess.Popen[str], observer: Program
) -> None:
    (adapter,) = until(observer, bool)
    (block,) = blocks("python", windows_only=True)

    ran = machine.python("-c", block.text.replace(DEFAULT_MODEL, "tiny"))
    printed, _ = ran.communicate(timeout=60)

    assert ran.returncode == 0, machine.errors
    choice, described = printed.splitlines()
    assert choice.startswith("runtime ")
    assert choice.endswith("it is the only one that fits")
    assert described.startswith(adapter["adapter_name"])


def test_a_client_that_is_killed_frees_the_engine_and_the_next_is_answered(
    cwai: Cwai, host: subprocess.Popen[str], observer: Program
) -> None:
    client = cwai.begin_answer()
    until(observer, is_busy)

    client.kill()

    until(observer, is_idle)
    assert_brokered(cwai.answer("--max-output-tokens", "5"))


def test_a_host_that_is_killed_is_heard_of_at_once_and_the_next_request_starts_another(
    cwai: Cwai, host: subprocess.Popen[str], observer: Program
) -> None:
    client = cwai.begin_answer()
    (before,) = until(observer, is_busy)

    host.kill()

    assert client.wait(180) == 5
    until(observer, lambda adapters: not adapters)
    try:
        assert_brokered(cwai.answer("--max-output-tokens", "5"))
        (after,) = until(observer, bool)
        assert after["runtime_count"] == before["runtime_count"] == 1
    finally:
        assert cwai.start("stop").wait(60) == 0


def test_without_the_driver_the_command_says_so_and_the_doctor_what_is_wrong(
    cwai: Cwai, machine: DriverMachine
) -> None:
    running = cwai.doctor()
    machine.administrator.do("stop")
    try:
        error = cwai.answer("--max-output-tokens", "5", code=4)["error"]
        stopped = cwai.doctor()
    finally:
        assert cwai.start("stop").wait(60) == 0
        machine.administrator.do("start")

    assert error["code"] == "driver_not_found"
    assert "cwai driver status" in error["hint"]
    assert (running["status"], running["details"]["state"]) == ("ok", "running")
    assert stopped["status"] == "warning"
    assert "it is installed and not running; Windows would not load it: it has no signature" in stopped["summary"]
    assert "sign_test.sh" in stopped["remediation"]


def test_a_host_that_is_older_than_the_driver_registers_once_that_is_there(cwai: Cwai, machine: DriverMachine) -> None:
    machine.administrator.do("stop")
    try:
        host = cwai.start("serve", "--port", "0")
        before = cwai.channels()
    finally:
        machine.administrator.do("start")

    assert not before["open"]
    assert "The kernel driver is not running" in before["detail"]
    try:
        assert_brokered(cwai.answer("--max-output-tokens", "5"))
        assert cwai.channels() == {"open": True, "detail": "Registered with the kernel driver."}
        assert host.poll() is None  # no other one was started
    finally:
        cwai.end()
