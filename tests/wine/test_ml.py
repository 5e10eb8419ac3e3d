"""Windows ML under Wine: Microsoft's own Python package over a double of its library, and over the real one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.wine.windows import WindowsMachine

NVIDIA = "NvTensorRtRtxExecutionProvider"


@pytest.fixture(scope="module")
def told(windows: WindowsMachine) -> dict[str, Any]:
    return windows.results("ml")


def test_what_windows_offers_is_listed_and_nothing_is_downloaded(told: dict[str, Any]) -> None:
    nvidia, openvino = told["listed"]

    assert (nvidia["name"], nvidia["version"], nvidia["state"]) == (NVIDIA, "1.8.24.0", "not-present")
    assert (nvidia["certified"], nvidia["library"]) == (True, None)
    assert (openvino["state"], openvino["certified"]) == ("not-present", None)
    assert told["not_ready"] == ["not-ready", "not-ready"]


def test_a_catalogue_that_cannot_be_read_says_why(told: dict[str, Any]) -> None:
    assert told["catalog_error"]["code"] == "not_available"
    assert "E_ACCESSDENIED" in told["catalog_error"]["message"]


def test_without_a_gpu_provider_the_reason_and_the_command_that_fetches_one_are_said(told: dict[str, Any]) -> None:
    found = told["gpu_path_before"]

    assert found["path"] is None
    assert found["reason"].startswith("no execution provider for a GPU is installed (there is: CPUExecutionProvider")
    assert found["fix"] == f"cwai gpu fetch {NVIDIA}"


def test_a_provider_is_fetched_with_progress_whatever_the_case_of_its_name(told: dict[str, Any]) -> None:
    fetched = told["fetched"]

    assert fetched["steps"] == [[f"fetching {NVIDIA}", quarter * 250, 1000] for quarter in range(1, 5)]
    assert (fetched["state"], fetched["library"]) == ("ready", r"C:\nowhere\onnxruntime_providers_nv_tensorrt_rtx.dll")


def test_a_provider_that_windows_does_not_offer_is_refused(told: dict[str, Any]) -> None:
    assert told["unknown"]["code"] == "invalid_request"
    assert NVIDIA in told["unknown"]["message"]


def test_a_fetch_that_fails_says_what_to_do(told: dict[str, Any]) -> None:
    assert "0x80240438" in told["fetch_fails"]["message"]
    assert "Windows Update" in told["fetch_fails"]["hint"]


def test_a_fetch_can_be_cancelled(told: dict[str, Any]) -> None:
    assert told["cancelled"]["message"] == f"fetching {NVIDIA} was cancelled."


def test_a_library_that_does_not_load_is_kept_with_its_reason(told: dict[str, Any]) -> None:
    catalog, setting = told["registered"]

    assert (catalog["name"], catalog["source"], catalog["version"]) == (NVIDIA, "catalog", "1.8.24.0")
    assert "Error 126" in catalog["error"]
    assert (setting["name"], setting["source"]) == ("python", "setting")
    assert "CreateEpFactories" in setting["error"]


def test_the_commands_say_the_same(told: dict[str, Any]) -> None:
    commands = told["commands"]

    assert [entry["state"] for entry in commands["gpu list"]["output"]["providers"]] == ["ready", "not-present"]
    path = commands["gpu path"]
    assert (path["code"], path["output"]["path"]) == (4, None)
    assert f"{NVIDIA} could not be loaded" in path["output"]["reason"]
    assert path["output"]["fix"] == "cwai gpu fetch OpenVINOExecutionProvider"
    assert commands["gpu fetch"]["code"] == 0
    assert "OpenVINOExecutionProvider" in commands["gpu fetch"]["errors"]


def test_a_windows_too_old_for_windows_ml_is_told_so(windows: WindowsMachine) -> None:
    """Wine lacks what the real library imports, as a Windows before 24H2 does."""
    ran = windows.python("-m", "codex_windows_ai.cli", "gpu", "list", "--json")

    assert ran.returncode == 4
    error = json.loads(ran.stdout)["error"]
    assert error["message"].startswith("Windows ML's library cannot be loaded: ")
    assert "26100" in error["hint"]
