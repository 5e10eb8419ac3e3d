"""The bridge where there is no driver. With the real driver it is tested in tests/wine."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from codex_windows_ai.errors import (
    ChannelRefusedError,
    DriverAccessDeniedError,
    DriverError,
    DriverNotFoundError,
    DriverStateError,
    DriverVersionError,
    InvalidRequestError,
    NoRuntimeError,
    WindowsAiError,
)
from codex_windows_ai.kernel.bridge import KernelDriverBridge, OptimizedPath
from codex_windows_ai.kernel.device import refusal
from tests.kernel.test_abi import HEADER

PATH = OptimizedPath(
    runtime_id=3,
    runtime_handle=0,
    process_id=100,
    provider="gpu",
    adapter_name="A card",
    adapter_luid=5,
    endpoint="",
    ep_library_path="",
    model="m",
    expected_wait=0.2,
    latency=0.1,
    queue_depth=2,
    active_requests=1,
    capacity=8,
    has_prefix=True,
    age_seconds=0.0,
    runner_up_id=None,
    runner_up_wait=None,
    candidates=1,
    prefix_holders=1,
    without_model=0,
    without_provider=0,
    reason="it is the only one that fits",
)


def test_elsewhere_than_on_windows_the_driver_is_not_there() -> None:
    with pytest.raises(DriverNotFoundError, match="needs Windows") as caught:
        KernelDriverBridge.open()

    assert caught.value.exit_code == 4
    assert "works without it" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("STATUS_INFO_LENGTH_MISMATCH", DriverVersionError),
        ("STATUS_REVISION_MISMATCH", DriverVersionError),
        ("STATUS_BUFFER_TOO_SMALL", DriverVersionError),
        ("STATUS_INVALID_PARAMETER", InvalidRequestError),
        ("STATUS_INVALID_DEVICE_REQUEST", DriverVersionError),
        ("STATUS_INVALID_DEVICE_STATE", DriverStateError),
        ("STATUS_ACCESS_DENIED", DriverAccessDeniedError),
        ("STATUS_NOT_FOUND", NoRuntimeError),
        ("STATUS_RETRY", ChannelRefusedError),
        ("STATUS_CONNECTION_ABORTED", ChannelRefusedError),
        ("STATUS_CANCELLED", DriverStateError),
        ("STATUS_QUOTA_EXCEEDED", DriverError),
        ("STATUS_INSUFFICIENT_RESOURCES", DriverError),
    ],
)
def test_each_refusal_of_the_header_is_an_error_of_its_own_kind(status: str, kind: type[WindowsAiError]) -> None:
    code = re.search(rf"{status}\s+(\d+)", HEADER.read_text(encoding="utf-8"))
    assert code

    error = refusal(int(code[1]), while_doing="Asking")

    assert type(error) is kind
    assert f"error {code[1]}" in error.message


def test_a_refusal_that_the_header_does_not_name_is_still_an_error() -> None:
    assert type(refusal(31, while_doing="Asking")) is DriverError


def test_the_explanation_says_why_this_one() -> None:
    assert PATH.explanation == "runtime 3 (gpu, expected wait 200.0 ms): it is the only one that fits"


def test_the_explanation_says_what_became_of_the_others() -> None:
    path = replace(PATH, has_prefix=False, runner_up_id=4, runner_up_wait=0.5, without_model=2, without_provider=1)

    assert "next would be runtime 4 (500.0 ms)" in path.explanation
    assert "the one that has read the prompt's beginning is too busy" in path.explanation
    assert "2 without the model; 1 of another kind" in path.explanation


def test_the_bridge_needs_nothing_but_python_itself() -> None:
    """It also runs in a bare Windows Python, and starts at once."""
    script = (
        "import sys, codex_windows_ai.kernel.bridge, codex_windows_ai.kernel.service;"
        "print({name.partition('.')[0] for name in sys.modules}"
        " - set(sys.stdlib_module_names) - {'codex_windows_ai', '__main__', 'sitecustomize', 'cython_runtime'})"
    )
    ran = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r};" + script],
                         capture_output=True, encoding="utf-8", check=True)  # fmt: skip

    assert ran.stdout == "set()\n"
