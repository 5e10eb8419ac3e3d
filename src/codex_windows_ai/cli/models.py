"""`cwai models`: the models on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.output import bytes_text, say, write, write_json
from codex_windows_ai.cli.progress import ProgressReporter
from codex_windows_ai.models.precision import Precision

if TYPE_CHECKING:
    from codex_windows_ai.models.progress import Progress
    from codex_windows_ai.models.store import InstalledModel, ModelStore
    from codex_windows_ai.windows_ai.model_facts import ModelFacts

Result = TypeVar("Result")

app = typer.Typer(help="List, add, show, remove and verify the models on this machine.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="An installed model's name.")]


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the installed models: name, size, folder."""
    models = _work(lambda store, progress: store.list())
    if as_json:
        write_json({"models": [_document(model) for model in models]})
    else:
        write("".join(f"{model.name}\t{bytes_text(model.bytes)}\t{model.path}\n" for model in models))


@app.command()
def add(
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A GGUF file, a model folder, or the name of the default model."),
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it; by default as the file is called.")
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(
            help="Of a GGUF file's weights: their `own` (floats become 8 bits); `float`, which keeps floats, too; or "
            "`8bit`, which rounds all: larger, and faster for long prompts and many agents. Default: own."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Install a model.

    A GGUF file is converted, a model folder is copied, and the default model, given by its name, is fetched. It is
    installed once it has answered; what is worth knowing about it is said. Links that lead out of a folder are refused.
    """
    model = _work(lambda store, progress: _add(path, name, precision, progress))
    for remark in model.remarks:
        say(f"cwai: {model.name}: {remark}")
    if as_json:
        write_json({"model": _document(model)})
    else:
        write(f"{model.name}\t{bytes_text(model.bytes)}\t{model.path}\n")


@app.command()
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show what a model takes, and the window that fits this machine, before it is loaded."""
    facts = _work(lambda store, progress: _facts(store, name))
    if as_json:
        write_json({"model": asdict(facts) | {"path": str(facts.path), "remarks": list(facts.remarks)}})
        return
    fits = "" if facts.window == facts.own_window else f" of {facts.own_window:,}: more does not fit this machine"
    lines = {
        "name": facts.name,
        "folder": f"{facts.path}, {bytes_text(facts.bytes)}",
        "made from": f"{facts.source}, precision {facts.precision}",
        "weights": bytes_text(facts.weights_bytes),
        "window": f"{facts.window:,} tokens{fits}",
        "chat format": facts.chat_format or "none, see the note",
        "keys, values": f"{facts.kv_cache}, {facts.token_bytes:,} bytes a token",
        **({"states": f"float32, {bytes_text(facts.state_bytes)} a sequence"} if facts.state_bytes else {}),
        "thinks": facts.reasoning.described,
        **({"efforts": ", ".join(facts.reasoning.levels)} if facts.reasoning.levels else {}),
    }
    if facts.memory:
        parts = (
            f"{name.replace('_', ' ')} {bytes_text(size)}" for name, size in facts.memory.items() if name != "budget"
        )
        lines["memory"] = f"{bytes_text(facts.memory['budget'])} at most: {', '.join(parts)}"
    text = "".join(f"{label + ':':<14}{value}\n" for label, value in lines.items())
    write(text + "".join(f"{'note:':<14}{remark}\n" for remark in facts.remarks))


@app.command()
def remove(name: NameArgument, as_json: JsonOption = False) -> None:
    """Delete an installed model's files."""
    _work(lambda store, progress: store.remove(name))
    if as_json:
        write_json({"removed": name})


@app.command()
def verify(name: NameArgument, as_json: JsonOption = False) -> None:
    """Compare every file with its checksum."""
    _work(lambda store, progress: store.verify(name, progress=progress))
    if as_json:
        write_json({"name": name, "verified": True})
    else:
        write(f"{name}: every file is as it was installed\n")


@app.command()
def path(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A model's name.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a model's folder, or that of all models."""
    folder = _work(lambda store, progress: store.path(name) if name else store.root)
    if as_json:
        write_json({"path": str(folder), "exists": folder.is_dir()})
    else:
        write(f"{folder}\n")


def _work(step: Callable[[ModelStore, Progress], Result]) -> Result:
    """Run a step on the model store, with progress, so that Ctrl-C ends it."""
    from codex_windows_ai.models.store import ModelStore

    with ProgressReporter() as progress:
        return Interruption().run_blocking(lambda: step(ModelStore(), progress))


def _add(path: str, name: str | None, precision: Precision | None, progress: Progress) -> InstalledModel:
    from codex_windows_ai.errors import InvalidRequestError
    from codex_windows_ai.models.store.recipes import DEFAULT_PRECISION
    from codex_windows_ai.settings import DEFAULT_MODEL
    from codex_windows_ai.windows_ai.model_proof import model_store

    store = model_store()
    if path == DEFAULT_MODEL:
        if precision not in (None, DEFAULT_PRECISION):
            raise InvalidRequestError(
                f"The default model is fetched for the precision `{DEFAULT_PRECISION}`, not `{precision}`.",
                hint="Leave `--precision` out, or add the model's own GGUF file.",
            )
        added = store.resolve(path, progress=progress)
    else:
        added = store.add(path, name=name, precision=precision, progress=progress)
    return next(model for model in store.list() if model.path == added.path)


def _facts(store: ModelStore, name: str) -> ModelFacts:
    from codex_windows_ai.settings import load_settings
    from codex_windows_ai.windows_ai.model_facts import describe_model

    return describe_model(store, name, load_settings())


def _document(model: InstalledModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "path": str(model.path),
        "bytes": model.bytes,
        "source": model.source,
        "remarks": list(model.remarks),
    }
