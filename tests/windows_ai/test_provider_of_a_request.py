"""A request to the host may name who must answer."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.served import PATIENCE, ServedHost


def post(host: ServedHost, path: str, body: dict[str, Any]) -> httpx2.Response:
    models = httpx2.get(f"{host.url}/v1/models", headers=host.headers, timeout=PATIENCE).json()
    body = {"model": models["data"][0]["id"], **body}
    return httpx2.post(f"{host.url}{path}", json=body, headers=host.headers, timeout=PATIENCE)


DOORS = [
    ("/v1/responses", {"input": "Say hi.", "max_output_tokens": 4}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 4}),
]


@pytest.mark.parametrize(("path", "body"), DOORS)
def test_the_engine_can_be_asked_for_by_name(served_host: ServedHost, path: str, body: dict[str, Any]) -> None:
    answer = post(served_host, path, {**body, "provider": "engine:cpu"})

    assert answer.status_code == 200, answer.text
    assert answer.json()["windows_ai"]["provider"] == "engine"
    assert answer.json()["windows_ai"]["refused"] == []
    assert answer.json()["windows_ai"]["usage_estimated"] is False


@pytest.mark.parametrize(("path", "body"), DOORS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_is_not_open_is_the_requests_fault_and_the_answer_names_those_that_are(
    served_host: ServedHost, path: str, body: dict[str, Any], stream: bool
) -> None:
    answer = post(served_host, path, {**body, "provider": "language-model", "stream": stream})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "provider_not_available")
    assert error["param"] == "provider"
    assert "open are: engine:cpu" in error["message"]
    assert "needs Windows" in error["message"]
