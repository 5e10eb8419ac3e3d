"""Lines that are no messages, or strange ones: each request has exactly one answer, and nobody waits."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_windows_ai.client.mcp.exchange import HostAddress
from tests.client.mcp.conftest import PipedClient
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN
from tests.mcp.conftest import held_engine, wait_until

SHORT: dict[str, Any] = {"name": "generate", "arguments": {"prompt": "the", "max_output_tokens": 2}}
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


@pytest.mark.parametrize(
    ("line", "request_id", "code"),
    [
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":3}', 3, -32600),
        (b'{"jsonrpc":"2.0","id":"x","method":5}', "x", -32600),
        (b'{"jsonrpc":"2.0","method":5}', None, -32600),
        (b'{"id":4,"method":"ping"}', 4, -32600),
        (b'{"jsonrpc":"2.0","id":4,"method":"tools/list","params":[]}', 4, -32602),
        (b'[{"jsonrpc":"2.0","id":4,"method":"ping"}]', None, -32600),
        (b"[]", None, -32600),
        (b"hello", None, -32700),
        (b'\xff\xfe{"jsonrpc":"2.0"}', None, -32700),
        (b'{"jsonrpc":"2.0","id":8,"method":"ping","params":{"a":"\xe9"}}', 8, -32700),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', "\ud800", -32600),
    ],
)
def test_what_is_no_message_is_answered_at_once_and_the_next_one_served(
    piped: PipedClient, line: bytes, request_id: object, code: int
) -> None:
    piped.write(line)
    refusal = piped.hear()
    assert (refusal["id"], refusal["error"]["code"]) == (request_id, code)
    assert "host" not in refusal["error"]["message"]
    assert "result" in piped.shake_hands()


@pytest.mark.parametrize(
    "line",
    [
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
        b'  {"jsonrpc":"2.0","id":1,"method":"ping"}\t\r',
        b'\r\n\xef\xbb\xbf\r\n{"jsonrpc":"2.0","id":1,"method":"ping","x":"\\ud83d"}\r',
    ],
    ids=["byte order mark", "white space", "empty lines"],
)
def test_what_lies_around_a_message_is_passed_over(piped: PipedClient, line: bytes) -> None:
    piped.shake_hands()
    piped.write(line)
    assert piped.hear() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert piped.rest() == []


def test_a_ping_is_answered_before_the_handshake(piped: PipedClient) -> None:
    assert piped.ask(1, "ping") == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.parametrize("method", ["prompts/list", "resources/templates/list", "logging/setLevel"])
def test_what_clients_ask_uninvited_is_answered(piped: PipedClient, method: str) -> None:
    assert "prompts" in piped.shake_hands()["result"]["capabilities"]
    answer = piped.ask(1, method, **({"level": "debug"} if method == "logging/setLevel" else {}))
    expected: dict[str, Any] = {"prompts/list": {"prompts": []}, "logging/setLevel": {}}
    assert answer["result"] == expected.get(method, {"resourceTemplates": []})


@pytest.mark.parametrize("version", ["2026\r\nx: y", "jürgen", "\ud83d", "", "x" * 70000])
def test_a_version_that_no_header_can_hold_is_refused_with_the_id(piped: PipedClient, version: str) -> None:
    answer = piped.ask(5, "tools/list", _meta={VERSION_KEY: version})
    assert answer["id"] == 5
    assert answer["error"]["message"]
    assert "reached" not in answer["error"]["message"]


def test_half_an_emoji_in_a_prompt_is_no_reason_to_refuse(piped: PipedClient) -> None:
    piped.shake_hands()
    call = {**SHORT, "arguments": {"prompt": "the \ud83d", "max_output_tokens": 2}}
    assert piped.ask(1, "tools/call", **call)["result"]["structuredContent"]["usage"]["output_tokens"] == 2


@pytest.mark.parametrize("ids", [(1, 1), (1, "1")], ids=["the same", "alike"])
def test_two_requests_with_one_id_at_once_are_both_answered(
    piped: PipedClient, live_host: LiveHost, ids: tuple[int | str, int | str]
) -> None:
    piped.shake_hands()
    with held_engine(live_host) as waiting:
        piped.say(id=ids[0], method="tools/call", params=SHORT)
        wait_until(lambda: waiting() >= 1)
        piped.say(id=ids[1], method="tools/call", params=SHORT)
        wait_until(lambda: live_host.host.activity.active_requests == 2)
    answers = [piped.hear() for _ in ids]
    assert [answer["id"] for answer in answers] == list(ids)
    assert all("result" in answer for answer in answers)


SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(width=16) | st.text(st.characters(codec=None))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
REQUESTS = ["ping", "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/read", "initialize", "x/y"]
NOTIFICATIONS = ["notifications/initialized", "notifications/progress", "notifications/roots/list_changed"]
METHODS = st.sampled_from([*REQUESTS, *NOTIFICATIONS, "server/discover"])
META = st.fixed_dictionaries({"_meta": st.fixed_dictionaries({VERSION_KEY: st.just("2026-07-28") | VALUES})})
NAMES = VALUES | st.sampled_from(["gpu_stats", "windows-ai://statistics", "debug"])
PARAMETERS = META | st.fixed_dictionaries({}, optional={"name": NAMES, "uri": NAMES, "level": NAMES, "_meta": VALUES})
SOUND = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": st.integers(-2, 3) | st.text(max_size=2), "method": METHODS, "params": PARAMETERS}
)
ODD = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | SCALARS,
        "id": st.integers(-9, 99) | st.text(max_size=3) | VALUES,
        "method": METHODS | VALUES,
        "params": PARAMETERS | VALUES,
        "result": VALUES,
        "error": VALUES,
    },
)
MESSAGES = SOUND | ODD
LINES = st.lists(MESSAGES.map(lambda message: json.dumps(message).encode()) | st.binary(max_size=20), max_size=25)


def owed_by(line: bytes) -> list[str]:
    """The ids, as JSON, that answers to a line must have."""
    if not line.strip(b" \t\r\n\xef\xbb\xbf"):
        return []
    try:
        content = json.loads(line.decode("utf-8-sig"))
    except ValueError:
        return ["null"]
    if not isinstance(content, dict):
        return ["null"]
    message = cast("dict[str, Any]", content)
    if "method" not in message and ("result" in message or "error" in message):
        return []
    if "id" not in message:
        return [] if isinstance(message.get("method"), str) else ["null"]
    usable = isinstance(message["id"], str | int) and not isinstance(message["id"], bool)
    return [json.dumps(message["id"]) if usable else "null"]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(lines=LINES, with_session=st.booleans())
def test_each_request_has_one_answer_and_nothing_else_has_any(
    live_host: LiveHost, lines: list[bytes], with_session: bool
) -> None:
    lines = [line.replace(b"\n", b" ") for line in lines]
    owed = Counter(request_id for line in lines for request_id in owed_by(line))
    told = Counter[str]()
    with PipedClient(lambda _: HostAddress(live_host.url, TOKEN)) as client:
        if with_session:
            client.shake_hands()

        def listen() -> None:
            while told.total() < owed.total():
                told[json.dumps(client.hear()["id"])] += 1

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        for line in lines:
            client.write(line)
        listener.join(PATIENCE)
        assert not listener.is_alive(), f"no answer to {owed - told}"
        assert told == owed
        assert client.rest() == []
