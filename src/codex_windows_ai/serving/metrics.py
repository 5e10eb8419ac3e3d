"""What endpoints answered and what engines do, as Prometheus reads it.

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

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta, Timings, Usage
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.statistics import FIGURES, EngineStatistics, Figure

Engines = Callable[[], Sequence[tuple[AnswerSource, EngineStatistics]]]
"""The figures of the engines that are loaded now, and who answers by each."""

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
    """What counts one request: who answers it once that is known, and the figures with the answer's last piece."""

    source: AnswerSource
    usage: Usage | None = None
    timings: Timings | None = None

    def add(self, delta: Delta) -> None:
        """A piece of the answer was read."""
        self.usage, self.timings = delta.usage, delta.timings


class Metrics:
    """The figures of one host, in a registry of their own; `engines` returns those of all engines that are loaded.

    `measure` is put around every request.
    """

    def __init__(self, engines: Engines) -> None:
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
        self._registry.register(_EngineCollector(engines))
        # Finding a histogram's series takes longer than adding to it, and there are few.
        self._series = lru_cache(maxsize=None)(Histogram.labels)
        self._finished = 0
        self._seconds = 0.0

    @property
    def answered(self) -> tuple[int, float]:
        """Requests answered since the start, and the seconds they took, from submission to end, in sum."""
        return self._finished, self._seconds

    @contextmanager
    def measure(self, source: AnswerSource, operation: str) -> Generator[Measurement]:
        """Around one request to the endpoint `operation`, from its submission to the end of its answer.

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
    """Reads the engines' own figures whenever they are asked for; before a model is loaded there are none."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def collect(self) -> Iterable[Metric]:
        engines = self._engines()
        if not engines:
            return
        families = {figure.metric: _family(figure) for figure in FIGURES.values()}
        for source, statistics in engines:
            for figure, value in statistics.values():
                families[figure.metric].add_metric(_labels(source), value)
        yield from families.values()


def _family(figure: Figure) -> GaugeMetricFamily | CounterMetricFamily:
    family = GaugeMetricFamily if figure.kind == "gauge" else CounterMetricFamily
    return family(f"windows_ai_{figure.metric}", figure.help, labels=_SOURCE_LABELS)


def _labels(source: AnswerSource) -> tuple[str, str, str]:
    return source.provider, source.model, source.device
