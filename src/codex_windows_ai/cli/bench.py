"""`cwai bench`: how fast agents are served on this machine, beside what they do without this program."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shlex
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.output import SCHEMA_VERSION, say, write, write_json
from codex_windows_ai.cli.progress import ProgressReporter
from codex_windows_ai.errors import InvalidRequestError, NotAvailableError, StorageError

if TYPE_CHECKING:
    from codex_windows_ai.bench.process import Children
    from codex_windows_ai.bench.report import Report
    from codex_windows_ai.models.progress import Progress


class WorkloadName(StrEnum):
    """What can be measured: here, for the command is there without the benchmarks, and its help must stay light."""

    AGENTS = "agents"
    CURVE = "curve"
    COMPARE = "compare"
    EDIT = "edit"
    FLOOD = "flood"
    INTRUDER = "intruder"
    PLAN = "plan"
    SINGLE = "single"
    SOAK = "soak"
    TRANSPORT = "transport"
    ALL = "all"


def command(
    name: Annotated[
        WorkloadName,
        typer.Argument(
            metavar="NAME",
            help="agents, curve, compare, edit, flood, intruder, plan, single, soak, transport, or all.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the JSON object to this file too.")
    ] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE.svg", help="Draw before and after as bars, as SVG.")
    ] = None,
    repeat: Annotated[
        int | None,
        typer.Option(
            "--repeat", "--rounds", metavar="N", min=1, help="Rounds of each side; by default 3, of short workloads 5."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="MINUTES", min=0.01, help="How long the soak runs.")
    ] = 1.0,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="An installed model's name, or a model folder.")
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            "--peer",
            metavar="NAME=ADDRESS|PATH",
            help="Compare with this server, or with the llama-server at PATH, which is started. May be repeated.",
        ),
    ] = None,
    peer_model: Annotated[
        Path | None,
        typer.Option("--peer-model", metavar="FILE.gguf", help="The model that the peers serve, as a GGUF file."),
    ] = None,
    pid: Annotated[
        list[str] | None,
        typer.Option("--pid", metavar="NAME=PID", help="The process of a peer, whose memory is looked at."),
    ] = None,
) -> None:
    """Measure this machine.

    Runs a workload several times on both sides, in turn, and prints the figures with their spread.
    Close other programs first. docs/benchmarks.md says what is compared with what.
    """
    _require_benchmarks()
    _check_writable(output, chart)
    if (peer_model or pid) and not peer:
        raise InvalidRequestError(
            "`--peer-model` and `--pid` are of a peer, but no peer is named.", hint="Add `--peer NAME=ADDRESS|PATH`."
        )
    from codex_windows_ai.bench.process import Children

    children = Children()
    options = _Options(name, repeat, minutes, model, tuple(peer or ()), peer_model, tuple(pid or ()))
    with ProgressReporter() as progress:
        report = Interruption().run(asyncio.to_thread(options.run, children, progress), finish=children.end_all)
    fields = report.to_json()
    if output:
        document = {"schema_version": SCHEMA_VERSION, **fields}
        _write_file(output, json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    if chart:
        from codex_windows_ai.bench.report import report_svg

        _write_file(chart, report_svg(report))
    if as_json:
        write_json(fields)
    else:
        from codex_windows_ai.bench.report import report_text

        write(report_text(report))


@dataclass(frozen=True, slots=True)
class _Options:
    """What the user asked for; `run` does it in a thread."""

    name: WorkloadName
    repeat: int | None
    minutes: float
    model: str | None
    peers: tuple[str, ...]
    peer_model: Path | None
    pids: tuple[str, ...]

    def run(self, children: Children, progress: Progress) -> Report:
        from codex_windows_ai.bench.bench import Bench
        from codex_windows_ai.bench.sides.peers import parse_peers
        from codex_windows_ai.bench.workloads import check_available, check_peers, run
        from codex_windows_ai.settings import load_settings
        from codex_windows_ai.windows_ai.model_proof import model_store

        peers = parse_peers(self.peers, self.peer_model, self.pids)
        check_peers(self.name, peers)
        check_available(self.name)
        settings = load_settings(model=self.model)
        bench = Bench(
            model_store().resolve(settings.model, progress=progress),
            children=children,
            progress=progress,
            repeat=self.repeat,
            minutes=self.minutes,
            peers=peers,
            reference=self.peer_model,
            threads=settings.threads,
        )
        return asyncio.run(run(self.name, bench, shlex.join(["cwai", *sys.argv[1:]])))


def _require_benchmarks() -> None:
    """Raises NotAvailableError: they are a distribution of their own, which is not installed."""
    if importlib.util.find_spec("codex_windows_ai.bench") is None:
        raise NotAvailableError(
            "The benchmarks are not installed.",
            hint="Install them into the same environment: `python -m pip install 'codex-windows-ai[bench]'`.",
        )


def _check_writable(*files: Path | None) -> None:
    """A run of minutes must not end with a file that cannot be written."""
    for file in files:
        if file and not file.absolute().parent.is_dir():
            raise StorageError(f"There is no folder {file.absolute().parent} to write {file.name} into.")


def _write_file(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StorageError(f"Cannot write {file}: {error.strerror or error}.") from error
    say(f"cwai: wrote {file}")
