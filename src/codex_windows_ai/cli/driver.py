"""`cwai driver`: the kernel driver on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codex_windows_ai.cli.output import write, write_json

if TYPE_CHECKING:
    from codex_windows_ai.kernel.service import DriverStatus

app = typer.Typer(help="Build, install, start, stop and look at the kernel driver (optional).", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
SourceOption = Annotated[
    Path | None,
    typer.Option("--source", metavar="FOLDER", help="The driver's sources; default: those of this checkout."),
]


@app.command()
def build(
    source: SourceOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FOLDER", help="Where to build; default: build/driver.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build ai_driver.sys, unsigned, with mingw-w64; works on Linux, too."""
    import hashlib

    from codex_windows_ai.kernel.build import build_driver, driver_sources

    image = build_driver(source or driver_sources(), output)
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    if as_json:
        write_json({"image": str(image), "sha256": digest})
    else:
        write(f"{image}\nsha256 {digest}\n")


@app.command()
def install(
    image: Annotated[
        Path | None, typer.Argument(metavar="IMAGE", help="A signed ai_driver.sys; default: the one that was built.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Install it even if Windows would refuse to load it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the driver to where Windows keeps drivers, and make its service. Needs an administrator."""
    from codex_windows_ai.kernel.build import built_image, driver_sources
    from codex_windows_ai.kernel.service import install_driver

    installed = install_driver(image or built_image(driver_sources()), force=force)
    if as_json:
        write_json({"installed": str(installed)})
    else:
        write(f"installed as {installed}; `cwai driver start` loads it\n")


@app.command()
def start(as_json: JsonOption = False) -> None:
    """Load the driver. Needs an administrator."""
    from codex_windows_ai.kernel.service import query_driver, start_driver

    start_driver()
    _show(query_driver(), as_json=as_json)


@app.command()
def stop(as_json: JsonOption = False) -> None:
    """Unload the driver. Needs an administrator, and that no program uses it."""
    from codex_windows_ai.kernel.service import query_driver, stop_driver

    stop_driver()
    _show(query_driver(), as_json=as_json)


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Say whether the driver runs, and what this machine asks of a driver."""
    from codex_windows_ai.kernel.service import query_driver

    _show(query_driver(), as_json=as_json)


@app.command()
def uninstall(as_json: JsonOption = False) -> None:
    """Stop the driver and delete its service and its file. Needs an administrator."""
    from codex_windows_ai.kernel.service import query_driver, uninstall_driver

    uninstall_driver()
    _show(query_driver(), as_json=as_json)


def _show(status: DriverStatus, *, as_json: bool) -> None:
    if as_json:
        write_json(_document(status))
        return
    write(f"ai_driver: {status.state}: {status.reason}\n")
    if status.image_path:
        write(f"file: {status.image_path} ({_signature(status)})\n")
    if status.rules:
        rules = {
            "test signing": status.rules.test_signing,
            "Secure Boot": status.rules.secure_boot,
            "memory integrity": status.rules.memory_integrity,
        }
        write("this machine: " + ", ".join(f"{name} {_on_or_off(value)}" for name, value in rules.items()) + "\n")
    for obstacle in status.obstacles:
        write(f"would not load: {obstacle.reason}\n")
    if status.fix:
        write(f"fix: {status.fix}\n")


def _document(status: DriverStatus) -> dict[str, Any]:
    return {**asdict(status), "image_path": str(status.image_path) if status.image_path else None}


def _signature(status: DriverStatus) -> str:
    return {"microsoft": "signed by Microsoft", "other": "signed, not by Microsoft", None: "not signed"}[status.signer]


def _on_or_off(value: bool | None) -> str:
    return "not known" if value is None else "on" if value else "off"
