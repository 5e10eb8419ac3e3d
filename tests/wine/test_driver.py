"""The real ai_driver.sys in a Windows kernel (Wine's), used by real Windows processes through the real bridge."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.wine.driver_machine import DRIVER, DriverMachine, Program, Refused
from tests.wine.windows import ROOT, windows_path


@pytest.fixture(autouse=True)
def wine_complains_about_nothing(machine: DriverMachine) -> Iterator[None]:
    """A mistake of the driver that no program notices is at least written to standard error."""
    yield
    for complaint in ("unimplemented", "page fault", "Unhandled exception"):
        assert complaint not in machine.errors


@pytest.fixture
def start(machine: DriverMachine) -> Iterator[list[Program]]:
    """Programs that a test starts; they end with it."""
    programs: list[Program] = []
    yield programs
    for program in programs:
        program.kill()


@pytest.fixture
def client(machine: DriverMachine, start: list[Program]) -> Program:
    start.append(machine.program())
    start[-1].do("open_bridge")
    return start[-1]


@pytest.fixture
def runtime(machine: DriverMachine, start: list[Program]) -> Program:
    """A registered runtime for model `m` on adapter 5."""
    start.append(machine.program())
    start[-1].do("open_bridge")
    start[-1].call(
        "register_windows_ai_runtime",
        provider="gpu",
        models=["m", "größer"],
        runtime_handle=77,
        adapter_luid=5,
        adapter_name="Eine Karte",
        endpoint="http://127.0.0.1:4711",
        ep_library_path=r"C:\ep.dll",
        capacity=8,
    )
    return start[-1]


def refused(program: Program, action: str, **arguments: object) -> str:
    with pytest.raises(Refused) as caught:
        program.do(action, **arguments)
    return caught.value.kind


def test_it_answers_in_the_version_of_this_package(machine: DriverMachine) -> None:
    status = machine.administrator.do("status")

    assert (status["state"], status["abi_version"]) == ("running", 1)
    assert status["reason"] == "it runs and answers"


def test_a_registered_runtime_is_found_by_another_process(runtime: Program, client: Program) -> None:
    path = client.call("get_optimized_path", model="größer")

    assert path["model"] == "größer"
    assert (path["runtime_handle"], path["capacity"]) == (77, 8)
    assert (path["provider"], path["adapter_luid"], path["adapter_name"]) == ("gpu", 5, "Eine Karte")
    assert (path["endpoint"], path["ep_library_path"]) == ("http://127.0.0.1:4711", r"C:\ep.dll")
    assert path["reason"] == "it is the only one that fits"


def test_the_adapter_shows_what_its_runtime_reported(runtime: Program, client: Program) -> None:
    report = {"memory_total": 8 << 30, "memory_used": 3 << 30, "utilization": 0.25, "temperature_celsius": 61.5}
    runtime.call("report_stats", queue_depth=2, active_requests=1, latency=0.05, **report)

    stats = client.call("get_optimized_gpu_stats", model="m")

    assert {name: stats[name] for name in report} == report
    assert (stats["queue_depth"], stats["active_requests"], stats["runtime_count"]) == (2, 1, 1)
    assert (stats["adapter_luid"], stats["providers"]) == (5, ["gpu"])
    assert [adapter["adapter_luid"] for adapter in client.call("get_gpu_stats", adapter_luid=5)] == [5]
    assert refused(client, "call", method="get_gpu_stats", adapter_luid=6) == "NoRuntimeError"


def test_of_two_runtimes_the_one_with_the_shorter_wait_or_the_prefix_is_chosen(
    machine: DriverMachine, start: list[Program], runtime: Program, client: Program
) -> None:
    start.append(machine.program())
    start[-1].do("open_bridge")
    second = start[-1].call("register_windows_ai_runtime", provider="cpu", models=["m"])
    runtime.call("report_stats", queue_depth=3, active_requests=1, latency=0.1, prefixes=[42])
    start[-1].call("report_stats", queue_depth=2, active_requests=1, latency=0.1)

    waiting = client.call("get_optimized_path", model="m")
    prefixed = client.call("get_optimized_path", model="m", prefix_hash=42)
    only_gpu = client.call("get_optimized_path", model="m", providers=["gpu"])

    assert (waiting["runtime_id"], waiting["reason"]) == (second, "its expected wait is the shortest")
    assert prefixed["has_prefix"]
    assert prefixed["runner_up_id"] == second
    assert (only_gpu["provider"], only_gpu["without_provider"]) == ("gpu", 1)


def test_whoever_opened_it_for_reading_only_reads(runtime: Program, client: Program) -> None:
    client.do("open_bridge", name="reader", writable=False)

    assert client.call("get_optimized_path", name="reader")["model"] == "m"
    registering = {"method": "register_windows_ai_runtime", "provider": "gpu", "models": ["m"]}
    assert refused(client, "call", name="reader", **registering) == "DriverAccessDeniedError"


def test_a_session_in_the_wrong_role_is_told_so(runtime: Program, client: Program) -> None:
    assert refused(client, "call", method="report_stats", queue_depth=0, active_requests=0) == "DriverStateError"
    assert refused(client, "call", method="wait_connection", timeout=1) == "DriverStateError"
    assert refused(runtime, "open_channel", runtime_id=1) == "DriverStateError"


def test_a_channel_carries_bytes_and_wakes_both_ways(runtime: Program, client: Program) -> None:
    runtime.do("begin_wait")
    ours = open_channel(client)
    theirs = runtime.do("finish_wait")

    assert ours["channel_id"] == theirs["channel_id"]
    assert (ours["side"], theirs["side"]) == ("client", "runtime")
    client.do("write_section", text="hello")
    assert client.do("set_event", event="to_runtime")
    assert runtime.do("wait_event", event="to_runtime", milliseconds=10_000)
    assert runtime.do("read_section", length=5) == "hello"
    assert runtime.do("set_event", event="to_client")
    assert client.do("wait_event", event="to_client", milliseconds=10_000)
    assert not client.do("wait_event", event="closed")


def test_each_side_has_no_more_access_than_it_needs(runtime: Program, client: Program) -> None:
    runtime.do("begin_wait")
    open_channel(client)
    runtime.do("finish_wait")

    assert not runtime.do("set_event", event="to_runtime")
    assert not client.do("set_event", event="to_client")
    assert not client.do("set_event", event="closed")
    assert refused(client, "wait_event", event="to_runtime") == "WindowsAiError"


def test_a_killed_client_closes_its_channel_and_the_runtime_goes_on(
    machine: DriverMachine, start: list[Program], runtime: Program, client: Program
) -> None:
    runtime.do("begin_wait")
    open_channel(client)
    runtime.do("finish_wait")
    client.kill()

    assert runtime.do("wait_event", event="closed", milliseconds=10_000)
    start.append(machine.program())
    start[-1].do("open_bridge")
    runtime.do("begin_wait", wait="second")
    open_channel(start[-1])
    assert runtime.do("finish_wait", wait="second")["side"] == "runtime"


def test_a_killed_runtime_is_gone_from_the_register_and_closes_its_channels(runtime: Program, client: Program) -> None:
    runtime.do("begin_wait")
    open_channel(client)
    runtime.do("finish_wait")
    runtime.do("begin_wait", wait="pending when it dies")
    runtime.kill()

    assert client.do("wait_event", event="closed", milliseconds=10_000)
    assert refused(client, "call", method="get_optimized_path", model="m") == "NoRuntimeError"
    assert client.call("get_gpu_stats") == []


def test_a_killed_runtime_is_gone_although_another_process_has_its_handle(runtime: Program, client: Program) -> None:
    given = runtime.do("give_handle", process_id=client.do("open_bridge", name="second")["process_id"])
    assert refused(client, "use_given_handle", handle=given) == "DriverAccessDeniedError"
    runtime.kill()

    assert refused(client, "call", method="get_optimized_path", model="m") == "NoRuntimeError"


def test_a_wait_ends_with_its_time_or_with_its_session(runtime: Program, client: Program) -> None:
    assert runtime.call("wait_connection", timeout=0.05) is None
    runtime_id = client.call("get_optimized_path", model="m")["runtime_id"]
    assert refused(client, "open_channel", runtime_id=runtime_id) == "ChannelRefusedError"

    runtime.do("begin_wait")
    runtime.do("close_bridge")
    assert runtime.do("finish_wait") == {"error": "DriverStateError"}
    assert refused(client, "open_channel", runtime_id=runtime_id) == "NoRuntimeError"


def test_several_clients_get_a_channel_each(machine: DriverMachine, start: list[Program], runtime: Program) -> None:
    clients = [machine.program() for _ in range(3)]
    start.extend(clients)
    for program in clients:
        program.do("open_bridge")
        runtime.do("begin_wait", wait=str(clients.index(program)))

    opened = [open_channel(program)["channel_id"] for program in clients]
    arrived = [runtime.do("finish_wait", wait=str(index))["channel_id"] for index in range(3)]

    assert len(set(opened)) == 3
    assert sorted(opened) == sorted(arrived)


def test_values_that_do_not_fit_never_reach_the_driver(client: Program) -> None:
    registering = {"method": "register_windows_ai_runtime", "provider": "gpu"}

    assert refused(client, "call", **registering, models=[]) == "InvalidRequestError"
    assert refused(client, "call", **registering, models=["x" * 128]) == "InvalidRequestError"
    assert refused(client, "call", **registering, models=["m"], capacity=0) == "InvalidRequestError"
    assert refused(client, "call", **registering, models=["m"], adapter_luid=1 << 64) == "InvalidRequestError"
    assert refused(client, "call", **registering, models=["control\n"]) == "InvalidRequestError"  # by the driver
    assert refused(client, "open_channel", runtime_id=1, section_bytes=1) == "InvalidRequestError"


def test_what_windows_would_not_load_is_not_installed_and_the_reason_is_said(machine: DriverMachine) -> None:
    with pytest.raises(Refused, match="no signature") as caught:
        machine.administrator.do("install", image=windows_path(DRIVER))

    assert caught.value.kind == "NotAvailableError"


def test_a_signed_driver_is_installed_by_the_command_line_and_answers(machine: DriverMachine, tmp_path: Path) -> None:
    signed = tmp_path / "ai_driver.sys"
    subprocess.run([ROOT / "driver" / "sign_test.sh", DRIVER, signed, tmp_path], check=True, capture_output=True)
    command = partial(run_command, machine)

    try:
        assert "is running" in command("install", windows_path(signed), "--force", exit_code=1)["error"]["message"]
        assert command("stop")["state"] == "stopped"
        refusal = command("install", windows_path(signed), exit_code=4)["error"]["message"]
        assert "not by Microsoft; that needs test signing, which is off" in refusal
        assert command("install", windows_path(signed), "--force")["installed"].endswith("ai_driver.sys")
        started = command("start")
        assert (started["state"], started["signer"], started["abi_version"]) == ("running", "other", 1)
    finally:
        machine.administrator.do("stop")
        machine.install()


def test_a_hundred_thousand_random_requests_lose_and_break_nothing(machine: DriverMachine, client: Program) -> None:
    hammers = [machine.python("-m", "tests.wine.programs.driver_hammer", "50000", str(seed)) for seed in (1, 2)]
    told = [json.loads(hammer.communicate(timeout=240)[0]) for hammer in hammers]

    outcomes = [{int(code): count for code, count in one["outcomes"].items()} for one in told]
    assert sum(sum(one.values()) for one in outcomes) == 100_000
    assert [one["too_long"] for one in told] == [0, 0]
    for one in outcomes:  # every kind of end was met, and none that the header does not name
        assert set(one) >= {0, 1, 5, 22, 24, 87, 122, 995, 1168, 1306}
        assert set(one) <= {0, 1, 5, 22, 24, 87, 122, 995, 1168, 1236, 1237, 1306}
    # Nothing of theirs is left, and there is room for as many as ever.
    assert client.call("get_gpu_stats") == []
    for number in range(16):
        client.do("open_bridge", name=str(number))
        client.call("register_windows_ai_runtime", name=str(number), provider="cpu", models=["m"])
    client.do("open_bridge", name="one too many")
    registering = {"method": "register_windows_ai_runtime", "provider": "gpu", "models": ["m"]}
    assert refused(client, "call", name="one too many", **registering) == "DriverError"


def test_it_is_unloaded_and_loaded_twenty_times(machine: DriverMachine) -> None:
    assert machine.administrator.do("restart", times=20) == 20


def test_without_the_driver_programs_are_told_so(machine: DriverMachine, start: list[Program]) -> None:
    start.append(machine.program())
    machine.administrator.do("stop")

    assert refused(start[-1], "open_bridge") == "DriverNotFoundError"
    assert machine.administrator.do("status")["reason"] == "it is installed and not running"
    machine.administrator.do("stop")
    machine.administrator.do("uninstall")
    machine.administrator.do("uninstall")
    assert machine.administrator.do("status")["state"] == "absent"
    assert refused(machine.administrator, "start") == "DriverNotFoundError"
    machine.install()
    start[-1].do("open_bridge")


def run_command(machine: DriverMachine, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """`cwai driver … --json` in the Windows Python."""
    ran = machine.python("-m", "codex_windows_ai.cli", "driver", *arguments, "--json")
    told, _ = ran.communicate(timeout=60)
    assert ran.returncode == exit_code, told
    return json.loads(told)


def open_channel(client: Program) -> dict[str, object]:
    """A channel to the best runtime; one whose wait is about to begin is asked again, as clients do."""
    runtime_id = client.call("get_optimized_path", model="m")["runtime_id"]
    for _ in range(2000):
        try:
            return client.do("open_channel", runtime_id=runtime_id)
        except Refused as refusal:
            if refusal.kind != "ChannelRefusedError":
                raise
    raise AssertionError("the runtime never waited")
