"""`cwai gpu`: the way to the best GPU, and what Windows can fetch for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.output import say, write, write_json
from codex_windows_ai.cli.progress import ProgressReporter

app = typer.Typer(help="The execution providers of this machine's GPU and NPU.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def path(as_json: JsonOption = False) -> int:
    """Print the path of the library that makes the best of this machine's GPU.

    It is what `onnxruntime.register_execution_provider_library` takes. Without one the reason is said, and the exit
    code is 4. Nothing is downloaded.
    """
    from codex_windows_ai.devices.gpu_path import find_gpu_path
    from codex_windows_ai.errors import NotAvailableError
    from codex_windows_ai.settings import load_settings

    found = find_gpu_path(load_settings().execution_provider_library)
    if as_json:
        described = asdict(found.path) | {"library": str(found.path.library)} if found.path else None
        write_json({"path": described, "reason": found.reason, "fix": found.fix})
        return 0 if found.path else NotAvailableError.exit_code
    if found.path is None:
        raise NotAvailableError(f"There is no GPU path: {found.reason}.", hint=found.fix)
    write(f"{found.path.library}\n")
    say(f"cwai: {found.path.execution_provider} on {found.path.adapter}: {found.path.reason}")
    return 0


@app.command("list")
def list_providers(as_json: JsonOption = False) -> None:
    """List the execution providers that Windows offers for this machine, and whether they are installed."""
    from codex_windows_ai.devices import windows_ml as ml

    providers = ml.list_providers()
    if as_json:
        entries = [asdict(provider) | {"library": provider.library and str(provider.library)} for provider in providers]
        write_json({"providers": entries})
        return
    for provider in providers:
        certified = {True: "certified", False: "not certified", None: "certification unknown"}[provider.certified]
        write(f"{provider.name} {provider.version}  {provider.state}, {certified}\n")


@app.command()
def fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `cwai gpu list`.")]) -> int:
    """Have Windows download and install an execution provider; hundreds of megabytes. Ctrl-C ends it."""
    import asyncio
    import threading

    from codex_windows_ai.devices import windows_ml as ml

    cancel, interruption = threading.Event(), Interruption()

    async def run() -> ml.CatalogProvider:
        interruption.stop_with(cancel.set)
        return await asyncio.to_thread(ml.fetch_provider, name, progress=progress, cancel=cancel)

    with ProgressReporter() as progress:
        fetched = interruption.run(run())
    say(f"cwai: {fetched.name} {fetched.version} is ready: {fetched.library}")
    return 0
