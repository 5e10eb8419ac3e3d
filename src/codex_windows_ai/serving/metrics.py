"""GET /metrics: what the doors answered and what the engine does, for Prometheus.

Names, buckets and attributes are those of OpenTelemetry's GenAI conventions
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/), written as Prometheus writes
them; what those do not name begins with `windows_ai_`. Neither agents nor anything else that a
client chooses is a label, so that the number of series stays small.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codex_windows_ai.errors import EngineError, WindowsAiError
from codex_windows_ai.protocol.answer import Timings, Usage
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.statistics import EngineStatistics
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

Operation = Literal["chat", "responses", "generate"]

_SOURCE_LABELS = ("gen_ai_provider_name", "gen_ai_response_model", "windows_ai_device")
_OPERATION_LABELS = ("gen_ai_operation_name", *_SOURCE_LABELS)
_DURATION_BUCKETS = tuple(0.01 * 2**n for n in range(14))
_FIRST_TOKEN_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
    *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0),
)
_TOKEN_TIME_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKEN_BUCKETS = tuple(float(4**n) for n in range(11))


@dataclass(slots=True)
class Measurement:
    """What a door fills in: who answers once that is known, and the figures with the answer's last piece."""

    source: AnswerSource
    usage: Usage | None = None
    timings: Timings | None = None


class Metrics:
    """The figures of one host, in a registry of their own; `loaded` returns the runtime once its model is loaded.

    Doors put `measure` around every request.
    """

    def __init__(self, loaded: Callable[[], WindowsAiRuntime | None]) -> None:
        self._registry = CollectorRegistry()
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time from a request's submission to its end.",
            (*_OPERATION_LABELS, "error_type"),
            registry=self._registry,
            buckets=_DURATION_BUCKETS,
        )
        self._first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from a request's submission to its first token: waiting and reading the prompt.",
            _OPERATION_LABELS,
            registry=self._registry,
            buckets=_FIRST_TOKEN_BUCKETS,
        )
        self._token_time = Histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Mean time for each token after the first.",
            _OPERATION_LABELS,
            registry=self._registry,
            buckets=_TOKEN_TIME_BUCKETS,
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage",
            "Tokens of a request.",
            (*_OPERATION_LABELS, "gen_ai_token_type"),
            registry=self._registry,
            buckets=_TOKEN_BUCKETS,
        )
        self._registry.register(_EngineCollector(loaded))
        # Finding a histogram's series takes longer than adding to it, and there are few.
        self._series = lru_cache(maxsize=None)(Histogram.labels)
        self._finished = 0
        self._seconds = 0.0

    @property
    def answered(self) -> tuple[int, float]:
        """Requests answered since the start, and the seconds they took, from submission to end, in sum."""
        return self._finished, self._seconds

    @contextmanager
    def measure(self, source: AnswerSource, operation: Operation) -> Generator[Measurement]:
        """Around one request, from its submission to the end of its answer.

        It counts as answered once its figures are in the measurement, else by the code of the error
        that ended it, or as cancelled.
        """
        measurement, started, error = Measurement(source), time.perf_counter(), "cancelled"
        try:
            yield measurement
        except WindowsAiError as failure:
            error = failure.code
            raise
        except Exception:
            error = WindowsAiError.code
            raise
        finally:
            labels = (operation, *_labels(measurement.source))
            if measurement.usage is not None and measurement.timings is not None:
                self._answered(labels, measurement.usage, measurement.timings)
            else:
                self._series(self._duration, *labels, error).observe(time.perf_counter() - started)

    def _answered(self, labels: Sequence[str], usage: Usage, timings: Timings) -> None:
        self._finished += 1
        self._seconds += timings.total / 1000
        self._series(self._duration, *labels, "").observe(timings.total / 1000)
        self._series(self._first_token, *labels).observe((timings.queue + timings.prefill) / 1000)
        if usage.output_tokens > 1:
            self._series(self._token_time, *labels).observe(timings.decode / 1000 / (usage.output_tokens - 1))
        self._series(self._tokens, *labels, "input").observe(usage.input_tokens)
        self._series(self._tokens, *labels, "output").observe(usage.output_tokens)

    def encode(self, accept: str) -> tuple[bytes, str]:
        """All figures in the format that an Accept header asks for, and its media type."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type


class _EngineCollector(Collector):
    """Reads the engine's own figures whenever they are asked for; before the model is loaded there are none."""

    def __init__(self, loaded: Callable[[], WindowsAiRuntime | None]) -> None:
        self._loaded = loaded

    def collect(self) -> Iterable[Metric]:
        runtime = self._loaded()
        if runtime is None:
            return
        try:
            statistics = runtime.statistics()
        except EngineError:  # Windows' own language model answers alone; it gives no figures
            return
        labels = _labels(runtime.source)
        for name, (help_text, value) in _gauges(statistics).items():
            gauge = GaugeMetricFamily(f"windows_ai_{name}", help_text, labels=_SOURCE_LABELS)
            gauge.add_metric(labels, value)
            yield gauge
        for name, (help_text, value) in _counters(statistics).items():
            counter = CounterMetricFamily(f"windows_ai_{name}", help_text, labels=_SOURCE_LABELS)
            counter.add_metric(labels, value)
            yield counter


def _gauges(figures: EngineStatistics) -> dict[str, tuple[str, float]]:
    return {
        "requests_waiting": ("Requests in the queue.", figures.waiting),
        "requests_running": ("Requests being answered.", figures.running),
        "batch_occupancy": ("Requests that one decode pass served, on average.", figures.batch_occupancy),
        "row_bytes": ("Reserved for keys and values of running requests.", figures.row_bytes),
        "row_budget_bytes": ("The most that those may take.", figures.row_bytes_budget),
        "shared_prefix_bytes": ("The copies of the prefix that all running requests share.", figures.shared_bytes),
        "shared_prefix_budget_bytes": ("The most that those may take.", figures.shared_bytes_budget),
        "prefix_cache_blocks": ("Blocks in the prefix cache.", figures.cache_blocks),
        "prefix_cache_bytes": ("Keys and values in the prefix cache.", figures.cache_bytes),
        "prefix_cache_budget_bytes": ("The most that those may take.", figures.cache_bytes_budget),
        "prefix_cache_hit_ratio": ("Share of all prompt tokens not computed again.", figures.cache_hit_rate),
    }


def _counters(figures: EngineStatistics) -> dict[str, tuple[str, float]]:
    return {
        "requests_finished": ("Requests answered.", figures.finished),
        "requests_failed": ("Requests that ended with an error.", figures.failed),
        "requests_cancelled": ("Requests that their clients left.", figures.cancelled),
        "forward_passes": ("Passes through the model.", figures.forward_passes),
        "decode_passes": ("Those that prolonged answers.", figures.decode_passes),
        "shared_passes": ("Those that read the prefix all requests share only once.", figures.shared_passes),
        "prefill_tokens": ("Prompt tokens computed.", figures.prefill_tokens),
        "output_tokens": ("Tokens of all answers.", figures.output_tokens),
        "input_tokens": ("Prompt tokens of all requests.", figures.input_tokens),
        "cached_tokens": ("Prompt tokens taken from the prefix cache.", figures.cached_tokens),
        "lent_tokens": ("Those that were not copied, because all running requests share them.", figures.lent_tokens),
        "speculation_drafted_tokens": ("Tokens guessed.", figures.drafted_tokens),
        "speculation_accepted_tokens": ("Tokens guessed and right.", figures.accepted_tokens),
        "prefix_cache_evictions": ("Blocks dropped from the prefix cache.", figures.cache_evictions),
    }


def _labels(source: AnswerSource) -> tuple[str, str, str]:
    return source.provider, source.model, source.device


async def metrics(request: Request) -> Response:
    """The figures, in Prometheus' text format or as OpenMetrics."""
    content, media_type = request.app.state.host.metrics.encode(request.headers.get("accept", ""))
    return Response(content, headers={"content-type": media_type})


routes = [Route("/metrics", metrics)]
