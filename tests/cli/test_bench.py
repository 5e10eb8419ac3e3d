"""`cwai bench`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from tests.cli.program import COMMAND, cwai, environment_with
from tests.engine.tiny_model import make_tiny_model
from tests.served import make_home

WINDOW = 32_768  # what is measured with is some thousand tokens long


@pytest.fixture(scope="module")
def answering_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder whose settings name a model that answers fast."""
    folder = tmp_path_factory.mktemp("bench")
    return make_home(folder / "home", make_tiny_model(folder, context=WINDOW).path)


def test_a_run_prints_json_and_writes_it_with_a_chart(answering_home: Path, tmp_path: Path) -> None:
    output, chart = tmp_path / "soak.json", tmp_path / "soak.svg"

    ran = cwai(
        "bench",
        "soak",
        "--minutes",
        "0.02",
        "--json",
        "--output",
        str(output),
        "--chart",
        str(chart),
        home=answering_home,
    )

    assert ran.exit_code == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document == json.loads(output.read_text(encoding="utf-8"))
    assert (document["schema_version"], document["workload"]) == (1, "soak")
    assert document["command"].startswith("cwai bench soak --minutes 0.02 --json")
    assert [target["name"] for target in document["targets"] if not target["met"]] in (
        [],
        ["memory, last quarter / first quarter"],  # a second is too short for that
    )
    assert ElementTree.fromstring(chart.read_text(encoding="utf-8")).tag.endswith("svg")
    assert "cwai: soak" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["bench"],
        ["bench", "speed"],
        ["bench", "agents", "--repeat", "0"],
        ["bench", "soak", "--minutes", "0"],
        ["bench", "agents", "--peer", "llama-server"],
        ["bench", "agents", "--peer", "llama-server=/absent"],
        ["bench", "agents", "--peer-model", "model.gguf"],
    ],
)
def test_wrong_usage_ends_with_2_before_any_work(arguments: list[str], tmp_path: Path) -> None:
    ran = cwai(*arguments, home=tmp_path)

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("option", ["--output", "--chart"])
def test_a_file_that_cannot_be_written_is_said_before_any_work(option: str, tmp_path: Path) -> None:
    ran = cwai("bench", "soak", option, str(tmp_path / "absent" / "file"), home=tmp_path)

    assert ran.exit_code == 1
    assert str(tmp_path / "absent") in ran.stderr
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["agents", "all"])
def test_without_genai_the_comparison_is_not_available_and_says_what_to_install(name: str, tmp_path: Path) -> None:
    # Python runs this file at its start; the module that it hides counts as not installed.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['onnxruntime_genai'] = None\n", encoding="utf-8"
    )

    ran = cwai("bench", name, home=tmp_path, environment={"PYTHONPATH": str(tmp_path)})

    assert ran.exit_code == 4
    assert "hint: Install it into the same environment: `python -m pip install onnxruntime-genai`." in ran.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to one process")
def test_ctrl_c_ends_the_measured_processes_too(answering_home: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "bench", "soak", "--minutes", "5"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment_with(answering_home),
    )
    with process:
        assert process.stderr
        while b"soak: warm-up" not in process.stderr.readline():
            assert process.poll() is None
        children = psutil.Process(process.pid).children()
        assert len(children) == 1
        os.kill(process.pid, signal.SIGINT)
        assert process.wait() == 130
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (1, [])
