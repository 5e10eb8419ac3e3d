"""GET /v1/models, read by the OpenAI client and as Codex reads it."""

from __future__ import annotations

import httpx2
import pytest
from openai import NotFoundError, OpenAI

from tests.engine.tiny_model import CONTEXT
from tests.host.live import LiveHost
from tests.hosting import TOKEN

# What the Codex CLI refuses to start without (0.169, observed).
REQUIRED_BY_CODEX = {
    *("slug", "display_name", "supported_reasoning_levels", "shell_type", "visibility", "supported_in_api", "priority"),
    *("base_instructions", "support_verbosity", "truncation_policy", "experimental_supported_tools"),
}


def test_one_body_has_the_list_of_openai_and_the_catalogue_of_codex(live_host: LiveHost) -> None:
    url = f"{live_host.url}/v1/models?client_version=0.169.0"
    body = httpx2.get(url, headers={"authorization": f"Bearer {TOKEN}"}).json()

    (model,) = body["data"]
    assert body["object"] == "list"
    assert (model["id"], model["context_window"]) == ("tiny", CONTEXT)
    assert model["windows_ai"]["provider"] == "engine"
    (info,) = body["models"]
    assert info.keys() >= REQUIRED_BY_CODEX
    assert (info["slug"], info["context_window"]) == ("tiny", CONTEXT)
    assert info["truncation_policy"]["limit"] < CONTEXT
    assert info["base_instructions"]


def test_the_openai_client_lists_and_finds_the_model(openai_client: OpenAI) -> None:
    (model,) = openai_client.models.list().data
    found = openai_client.models.retrieve("tiny")

    assert model == found
    assert (found.id, found.object, found.owned_by) == ("tiny", "model", "codex-windows-ai")
    assert found.created > 0


def test_a_slash_at_the_end_is_the_list_as_well(live_host: LiveHost) -> None:
    lists = [
        httpx2.get(f"{live_host.url}{path}", headers={"authorization": f"Bearer {TOKEN}"}).json()
        for path in ("/v1/models", "/v1/models/")
    ]

    assert lists[0] == lists[1]


def test_another_model_is_not_found_and_the_one_that_is_here_is_named(openai_client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        openai_client.models.retrieve("gpt-6")

    assert caught.value.code == "model_not_found"
    assert "`tiny`" in caught.value.message
    assert "gpt-6" in caught.value.message
