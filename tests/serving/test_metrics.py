"""GET /metrics, read by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families

from codex_windows_ai.protocol.statistics import FIGURES
from codex_windows_ai.serving.metrics import Metrics
from codex_windows_ai.settings import Settings
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def fresh_host(tiny_settings: Settings) -> Iterator[LiveHost]:
    """A host whose figures begin at nothing."""
    with LiveHost(tiny_settings, TOKEN) as live:
        yield live


@pytest.fixture
def client(fresh_host: LiveHost) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{fresh_host.url}/v1", api_key=TOKEN, max_retries=0, timeout=PATIENCE) as client:
        yield client


def scrape(live: LiveHost, accept: str = "text/plain") -> httpx2.Response:
    return httpx2.get(f"{live.url}/metrics", headers={"authorization": f"Bearer {TOKEN}", "accept": accept})


def samples(live: LiveHost) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(scrape(live).text)
        for sample in family.samples
    }


def find(found: Samples, name: str, **labels: str) -> float:
    (value,) = (
        value for (sample, given), value in found.items() if sample == name and set(labels.items()) <= set(given)
    )
    return value


def test_answers_are_counted_with_their_tokens_and_times(fresh_host: LiveHost, client: OpenAI) -> None:
    chat: dict[str, Any] = {"model": "tiny", "messages": HELLO, "max_tokens": 5}
    usage = client.chat.completions.create(**chat).usage
    list(client.chat.completions.create(**chat, stream=True))
    client.responses.create(model="tiny", input="hello", max_output_tokens=7)
    found = samples(fresh_host)

    assert usage is not None
    chats = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "engine", "gen_ai_response_model": "tiny"}
    assert find(found, "gen_ai_server_request_duration_seconds_count", error_type="", **chats) == 2
    assert find(found, "gen_ai_server_time_to_first_token_seconds_count", **chats) == 2
    assert find(found, "gen_ai_server_time_per_output_token_seconds_count", **chats) == 2
    assert find(found, "gen_ai_client_token_usage_sum", gen_ai_token_type="output", **chats) == 10
    assert find(found, "gen_ai_client_token_usage_sum", gen_ai_token_type="input", **chats) == 2 * usage.prompt_tokens
    responses = find(
        found, "gen_ai_client_token_usage_sum", gen_ai_token_type="output", gen_ai_operation_name="responses"
    )
    assert responses == 7


def test_the_engine_says_what_it_does(fresh_host: LiveHost, client: OpenAI) -> None:
    client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=5)
    found = samples(fresh_host)
    statistics = fresh_host.engine.statistics()

    assert find(found, "windows_ai_requests_finished_total", gen_ai_response_model="tiny") == 1
    assert find(found, "windows_ai_requests_running") == find(found, "windows_ai_requests_waiting") == 0
    assert find(found, "windows_ai_prefix_cache_bytes") == statistics.cache_bytes > 0
    assert find(found, "windows_ai_input_tokens_total") == statistics.input_tokens
    assert find(found, "windows_ai_batch_occupancy") == statistics.batch_occupancy >= 1


def test_every_figure_of_the_engine_is_exported_with_its_help_and_kind(fresh_host: LiveHost, client: OpenAI) -> None:
    client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=5)
    families = {family.name: family for family in text_string_to_metric_families(scrape(fresh_host).text)}
    values = {figure.metric: value for figure, value in fresh_host.engine.statistics().values()}

    for figure in FIGURES.values():
        family = families[f"windows_ai_{figure.metric}"]
        assert (family.documentation, family.type) == (figure.help, figure.kind)
        assert [sample.value for sample in family.samples] == [values[figure.metric]]


def test_a_request_that_failed_is_counted_by_its_error(fresh_host: LiveHost, client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x" * 600}])
    found = samples(fresh_host)

    assert find(found, "gen_ai_server_request_duration_seconds_count", error_type="context_length_exceeded") == 1


def test_who_asks_makes_no_series(fresh_host: LiveHost, client: OpenAI) -> None:
    def ask(session: str) -> int:
        headers = {"session-id": session}
        client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=2, user=session, extra_headers=headers)
        return len(samples(fresh_host))

    assert ask("one") == ask("two")


def test_before_the_model_is_loaded_there_are_no_figures_of_an_engine() -> None:
    content, media_type = Metrics(lambda: ()).encode("text/plain")

    assert b"windows_ai_requests" not in content
    assert media_type.startswith("text/plain")


def test_openmetrics_is_spoken_where_it_is_asked_for(fresh_host: LiveHost) -> None:
    answer = scrape(fresh_host, "application/openmetrics-text; version=1.0.0")

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
