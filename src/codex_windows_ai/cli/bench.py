"""`cwai bench`: how fast agents are served on this machine, beside what they do without this program."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shlex
import sys
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
    EDIT = "edit"
    FLOOD = "flood"
    INTRUDER = "intruder"
    PLAN = "plan"
    SOAK = "soak"
    TRANSPORT = "transport"
    ALL = "all"


def command(
    name: Annotated[
        WorkloadName,
        typer.Argument(metavar="NAME", help="agents, curve, edit, flood, intruder, plan, soak, transport, or all."),
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
        typer.Option("--repeat", metavar="N", min=1, help="Rounds of each side; by default 3, of short workloads 5."),
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="MINUTES", min=0.01, help="How long the soak runs.")
    ] = 1.0,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="An installed model's name, or a model folder.")
    ] = None,
    peer: Annotated[
        str | None,
        typer.Option("--peer", metavar="llama-server=PATH", help="In `agents`, compare with this server as well."),
    ] = None,
    peer_model: Annotated[
        Path | None, typer.Option("--peer-model", metavar="FILE.gguf", help="The model that the peer serves.")
    ] = None,
) -> None:
    """Measure this machine.

    Runs a workload several times on both sides, in turn, and prints the figures with their spread.
    Close other programs first. docs/benchmarks.md says what is compared with what.
    """
    _require_benchmarks()
    _check_writable(output, chart)
    if peer_model and not peer:
        raise InvalidRequestError(
            "`--peer-model` says what a peer serves, but no peer is named.", hint="Add `--peer llama-server=PATH`."
        )
    from codex_windows_ai.bench.process import Children

    children = Children()
    options = _Options(name, repeat, minutes, model, peer, peer_model)
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


class _Options:
    """What the user asked for; `run` does it in a thread."""

    def __init__(
        self,
        name: WorkloadName,
        repeat: int | None,
        minutes: float,
        model: str | None,
        peer: str | None,
        peer_model: Path | None,
    ) -> None:
        self._name = name
        self._repeat = repeat
        self._minutes = minutes
        self._model = model
        self._peer = peer
        self._peer_model = peer_model

    def run(self, children: Children, progress: Progress) -> Report:
        from codex_windows_ai.bench.bench import Bench
        from codex_windows_ai.bench.sides.llama_server import parse_peer
        from codex_windows_ai.bench.workloads import check_available, run
        from codex_windows_ai.settings import load_settings
        from codex_windows_ai.windows_ai.model_proof import model_store

        check_available(self._name)
        peer = parse_peer(self._peer, self._peer_model) if self._peer else None
        settings = load_settings(model=self._model)
        bench = Bench(
            model_store().resolve(settings.model, progress=progress),
            children=children,
            progress=progress,
            repeat=self._repeat,
            minutes=self._minutes,
            peer=peer,
            threads=settings.threads,
        )
        return asyncio.run(run(self._name, bench, shlex.join(["cwai", *sys.argv[1:]])))


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
