"""The OpenAPI document, held against the host by `schemathesis`, which nobody here wrote."""

from __future__ import annotations

import logging
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import httpx2
import pytest

from codex_windows_ai import errors
from codex_windows_ai.api.routes import routes
from codex_windows_ai.errors import WindowsAiError
from tests.host.live import LiveHost
from tests.hosting import TOKEN
from tests.serving.test_metrics import Samples, samples

OUR_FAULTS = {
    kind.code
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, WindowsAiError) and kind.http_status >= 500
}

OUR_PROGRAMS_OWN = {"/generate", "/openapi.json"}
"""Paths that the document leaves out."""


def document_of(live: LiveHost) -> dict[str, Any]:
    return httpx2.get(f"{live.url}/openapi.json", headers={"authorization": f"Bearer {TOKEN}"}).json()


def faults(live: LiveHost) -> Samples:
    """How many requests a fault of the host's own ended: also those whose stream had begun, with the status 200."""
    return {
        (name, labels): value
        for (name, labels), value in samples(live).items()
        if name == "gen_ai_server_request_duration_seconds_count" and dict(labels)["error_type"] in OUR_FAULTS
    }


def test_the_document_describes_every_door_and_names_the_model(live_host: LiveHost) -> None:
    document = document_of(live_host)

    described = document["paths"]
    assert {"/v1/chat/completions", "/v1/responses", "/v1/models", "/health", "/metrics"} <= described.keys()
    assert {route.path.replace(":path", "") for route in routes} - OUR_PROGRAMS_OWN <= described.keys()
    asked = [path["post"]["requestBody"] for path in described.values() if "post" in path]
    assert len(asked) >= 2
    for body in asked:
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        properties = document["components"]["schemas"][name]["properties"]
        assert properties["model"]["enum"] == ["tiny"]
        named, app_action = properties["provider"]["anyOf"][0]["anyOf"]
        assert {"auto", "language-model", "engine", "engine:gpu"} <= set(named["enum"])
        assert app_action["pattern"] == "^action:.+$"


@pytest.mark.parametrize(
    ("seconds", "options"),
    [(20, ["--generation-deterministic"]), pytest.param(120, [], marks=pytest.mark.slow)],
    ids=["short", "long"],
)
def test_schemathesis_finds_nothing_wrong(
    live_host: LiveHost, tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: int, options: list[str]
) -> None:
    """No 5xx, no fault of ours in a stream, nothing answered or streamed that the document does not describe,
    nothing accepted that it does not allow.

    Left out is that everything the document allows is served: that a tool's result follows its
    call, or that a prompt fits the window, cannot be said in a schema.
    """
    before = faults(live_host)
    operations = sum(len({"get", "post"} & path.keys()) for path in document_of(live_host)["paths"].values())
    done = subprocess.run(
        [
            Path(sysconfig.get_path("scripts")) / "schemathesis",
            *("run", f"{live_host.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"),
            # The same cases each time: what fails can be run again.
            *(
                "--seed",
                "20261122",
                "--max-time",
                str(seconds),
                "--continue-on-failure",
                "--no-color",
                "--suppress-health-check",
                "all",
            ),
            *("--exclude-checks", "positive_data_acceptance", *options),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=seconds + 120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{operations} selected / {operations} total" in done.stdout
    assert faults(live_host) == before
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
