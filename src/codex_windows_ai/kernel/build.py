"""Building the driver from this project's sources, with mingw-w64, on Linux or in MSYS2."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from codex_windows_ai.errors import DriverError, NotAvailableError
from codex_windows_ai.kernel import abi

__all__ = ["build_driver", "built_image", "driver_sources"]

_COMPILER = "x86_64-w64-mingw32-gcc"


def driver_sources() -> Path:
    """The folder `driver` of the checkout that this package runs from; an installed package has none."""
    return Path(__file__).parents[3] / "driver"


def built_image(sources: Path) -> Path:
    """Where `build_driver` puts the image by default."""
    return sources.parent / "build" / "driver" / f"{abi.DRIVER_SERVICE}.sys"


def build_driver(sources: Path, output: Path | None = None) -> Path:
    """Build ai_driver.sys, unsigned, into the folder `output`; gives its path. The same sources give the same bytes.

    Raises NotAvailableError: no sources there, or no compiler. Raises DriverError: it does not compile.
    """
    if not (sources / "Makefile").is_file():
        raise NotAvailableError(
            f"There are no sources of the driver in {sources}.",
            hint="Run this from a checkout of the project, or name its folder `driver` with --source.",
        )
    for program, package in (("make", "make"), (_COMPILER, "gcc-mingw-w64-x86-64")):
        if not shutil.which(program):
            raise NotAvailableError(
                f"The driver is built with {program}, which is missing.",
                hint=f"On Debian and Ubuntu: apt-get install {package}; on Windows MSYS2 has it.",
            )
    image = output / f"{abi.DRIVER_SERVICE}.sys" if output else built_image(sources)
    ran = subprocess.run(
        ["make", "--silent", "--directory", str(sources), "all", f"BUILD={image.parent.absolute()}"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if ran.returncode != 0:
        raise DriverError(f"The driver does not compile:\n{(ran.stdout + ran.stderr).strip()}")
    return image
