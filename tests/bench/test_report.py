"""The report: JSON, table, chart."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

from codex_windows_ai.bench.figures import Comparison, Outcome, Result, Spread, Target
from codex_windows_ai.bench.report import Report, describe_machine, report_svg, report_text, versions

LATENCY = Comparison("latency p50", "s", Spread((1.0, 1.2, 1.1)), Spread((10.0, 12.0, 11.0)), "status <quo>")
MACHINE = {"cpu": "A & B", "cores": 2, "memory": 8_000_000_000, "os": "Linux 6", "busy_percent": 60.0}
REPORT = Report(
    "all",
    MACHINE,
    "a-model",
    {"python": "3.11"},
    "cwai bench all",
    (
        Outcome("curve", (), (), ()),
        Outcome(
            "agents",
            (Result("ours", "", {"latency_p50_s": LATENCY.ours, "memory_bytes": Spread((3e8,))}),),
            (LATENCY,),
            (Target("latency", LATENCY.ratio, "<=", 0.2), Target("requests", Spread((2.0,)), ">=", 6)),
            latency_ratio=LATENCY.ratio,
            notes=("As told.",),
        ),
    ),
)
SVG = "{http://www.w3.org/2000/svg}"


def test_the_object_has_the_names_that_others_rely_on() -> None:
    document = json.loads(json.dumps(REPORT.to_json(), allow_nan=False))

    assert {"workload", "machine", "model", "versions", "command", "results", "targets"} <= set(document)
    assert {"cpu", "cores", "memory", "os"} <= set(document["machine"])
    assert (document["latency_ratio"], document["throughput_ratio"], document["memory_ratio"]) == (0.1, None, None)
    assert document["results"][0]["workload"] == "agents"
    assert document["results"][0]["figures"]["latency_p50_s"]["rounds"] == [1.0, 1.2, 1.1]
    assert [(target["must"], target["met"]) for target in document["targets"]] == [("<= 0.2", True), (">= 6", False)]
    assert document["notes"] == ["agents: As told."]


def test_the_text_has_figures_with_their_spread_and_says_what_was_missed() -> None:
    text = report_text(REPORT)

    assert "$ cwai bench all" in text
    assert "1.10 s (1.00 s to 1.20 s)" in text
    assert "300 MB" in text
    assert "MISSED" in text
    assert "WARNING: other programs took 60 %" in text


def test_results_that_have_no_figure_in_common_get_tables_of_their_own() -> None:
    one, other = Spread((1.0,)), Spread((2.0,))
    results = (
        Result("ours", "many", {"latency_p50_s": one, "memory_bytes": one}),
        Result("ours", "alone", {"writing_tokens_per_s": one}),
        Result("theirs", "many", {"latency_p50_s": other}),
    )
    text = report_text(replace(REPORT, outcomes=(Outcome("compare", results, (), ()),)))

    headings = [line for line in text.splitlines() if "side" in line]
    assert ["latency" in line for line in headings] == [True, False]
    assert ["writing" in line for line in headings] == [False, True]


def test_the_chart_is_svg_with_a_bar_for_each_side_as_long_as_its_figure() -> None:
    root = ElementTree.fromstring(report_svg(REPORT))

    bars = {bar.attrib["class"]: float(bar.attrib["width"]) for bar in root.iter(f"{SVG}rect")}
    assert bars["ours"] * 10 == bars["baseline"]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"status <quo>", "11.00 s", "1.10 s", "x 0.1", "$ cwai bench all"} <= set(texts)


def test_the_chart_follows_the_readers_dark_setting() -> None:
    style = ElementTree.fromstring(report_svg(REPORT)).findtext(f"{SVG}style")

    assert style
    assert "prefers-color-scheme: dark" in style


def test_the_machine_and_the_versions_are_this_ones() -> None:
    assert describe_machine()["cores"] >= 1
    assert {"python", "codex-windows-ai"} <= set(versions())
