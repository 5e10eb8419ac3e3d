"""Tools between the real Codex and the host, in every shape that Codex has for them.

Codex always leaves the choice of a tool to the model, and the model of these tests is random, so a script chooses
(tests/codex_cli/scripted.py); the grammar of the offered tools lets its choice through or the test fails.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.chat.foreign_tools import LOOSENED
from tests.codex_cli.program import Workplace, json_lines
from tests.codex_cli.scripted import custom_call, function_call

PATCH = "*** Begin Patch\n*** Add File: hello.txt\n+hello from a patch\n*** End Patch\n"


def completed(stdout: str) -> list[dict[str, object]]:
    """The items of the turn that Codex finished."""
    return [event["item"] for event in json_lines(stdout) if event["type"] == "item.completed"]


def test_a_shell_command_runs_and_its_output_comes_back(place: Workplace) -> None:
    place.host.begin(function_call("exec_command", cmd="echo from the shell"), "It said so.")

    ran = place.execute("--json", "run it")

    assert ran.exit_code == 0, ran.stderr
    command, message = completed(ran.stdout)
    assert (command["exit_code"], command["aggregated_output"]) == (0, "from the shell\n")
    assert message["text"] == "It said so."
    call, output = place.host.asked[1].body["input"][-2:]
    assert call["type"] == "function_call"
    assert (output["call_id"], "from the shell" in output["output"]) == (call["call_id"], True)


def test_a_patch_under_its_grammar_changes_a_file(place: Workplace) -> None:
    place.host.begin(custom_call("apply_patch", PATCH), "Patched.")

    ran = place.execute("--sandbox", "workspace-write", "patch it")

    assert (ran.exit_code, ran.stdout) == (0, "Patched.\n"), ran.stderr
    assert (place.folder / "hello.txt").read_text(encoding="utf-8") == "hello from a patch\n"
    call, output = place.host.asked[1].body["input"][-2:]
    assert (call["type"], call["input"]) == ("custom_tool_call", PATCH)
    assert output["type"] == "custom_tool_call_output"


def test_text_that_is_no_patch_cannot_be_generated(place: Workplace) -> None:
    place.host.begin(custom_call("apply_patch", "rm -rf everything\n"))

    ran = place.execute("patch it")

    assert ran.exit_code == 1
    assert "which the grammar ends after" in ran.stderr


def test_a_tool_of_our_mcp_server_is_called_by_its_namespace(place: Workplace) -> None:
    place.host.begin(function_call("mcp__windows_ai__gpu_stats"), "Seen.")

    ran = place.execute("--json", "look")

    assert ran.exit_code == 0, ran.stderr
    call, message = completed(ran.stdout)
    assert (call["server"], call["tool"], call["status"]) == ("windows-ai", "gpu_stats", "completed")
    assert message["text"] == "Seen."
    item, output = place.host.asked[1].body["input"][-2:]
    assert (item["namespace"], item["name"]) == ("mcp__windows_ai", "gpu_stats")
    assert json.loads(output["output"].partition("Output:\n")[2])["memory"]["total_bytes"] > 0


def test_an_mcp_tool_that_fails_tells_the_model_why(place: Workplace) -> None:
    place.host.begin(function_call("mcp__windows_ai__invoke_action", action="no such action", text="x"), "I see.")

    ran = place.execute("--json", "try it")

    assert ran.exit_code == 0, ran.stderr
    assert completed(ran.stdout)[0]["status"] == "failed"
    assert "no such action" in json.dumps(place.host.asked[1].body["input"][-1])


def test_tools_of_a_foreign_mcp_server_work_whatever_their_schemas(place: Workplace) -> None:
    tools = [
        {"name": tool.name, "inputSchema": tool.schema, "annotations": {"readOnlyHint": True}} for tool in LOOSENED
    ]
    server = [str(Path(__file__).with_name("foreign_server.py")), json.dumps(tools)]
    config = f"[mcp_servers.foreign]\ncommand = {json.dumps(sys.executable)}\nargs = {json.dumps(server)}\n"
    (place.codex_home / "config.toml").write_text(config, encoding="utf-8")
    place.host.begin(function_call("mcp__foreign__calendar_add", place={"any": "thing"}, title="a"), "Done.")

    ran = place.execute("--json", "add it")

    assert ran.exit_code == 0, ran.stderr
    call, _ = completed(ran.stdout)
    assert (call["server"], call["tool"], call["status"]) == ("foreign", "calendar_add", "completed")
    # Codex leaves out most keywords that it does not know itself; what it sends on is what is to be loosened.
    loosened = place.host.asked[0].events[-1]["response"]["windows_ai"]["loosened"]
    assert [remark["tool"] for remark in loosened] == ["mcp__foreign__calendar_add", "mcp__foreign__payment_create"]


def test_calls_in_one_answer_run_and_all_outputs_come_in_one_request(place: Workplace) -> None:
    calls = [function_call("exec_command", cmd=f"echo number {number}") for number in range(3)]
    place.host.begin("\n".join(calls), "Three.")

    ran = place.execute("--json", "run them")

    assert ran.exit_code == 0, ran.stderr
    outputs = [item for item in place.host.asked[1].body["input"] if item["type"] == "function_call_output"]
    assert len(place.host.asked) == 2
    assert [f"number {number}\n" in output["output"] for number, output in enumerate(outputs)] == [True] * 3


def test_codex_has_only_tools_that_a_small_model_can_use(place: Workplace) -> None:
    place.execute("hi")

    tools = {tool["name"]: tool for tool in place.host.asked[0].body["tools"]}
    resources = {"list_mcp_resources", "list_mcp_resource_templates", "read_mcp_resource"}  # with any MCP server
    assert tools.keys() - resources == {"exec_command", "write_stdin", "apply_patch", "mcp__windows_ai"}
    ours = {tool["name"] for tool in tools["mcp__windows_ai"]["tools"]}
    assert ours == {"gpu_stats", "invoke_action", "list_actions", "optimized_path"}
