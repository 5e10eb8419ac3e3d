"""The benchmarks are a distribution of their own, whose files lie among those of the program."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from codex_windows_ai.bench.workloads import ALL, WORKLOADS
from codex_windows_ai.cli.bench import WorkloadName
from tests.cli.program import environment_with

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "codex_windows_ai"


def build_wheel(project: Path, folder: Path) -> Path:
    (wheel,) = WheelBuilder(str(project)).build(directory=str(folder), versions=["standard"])
    return Path(wheel)


@pytest.fixture(scope="module")
def program_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def bench_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT / "packaging" / "bench", tmp_path_factory.mktemp("bench"))


def install(folder: Path, *wheels: Path) -> None:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)


def modules(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}


def run_installed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with what is installed in `folder` before everything else; a package has one folder only."""
    environment = environment_with(folder / "home", {"PYTHONPATH": str(folder)})
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def test_each_module_is_in_one_wheel_and_the_programs_has_no_benchmark(program_wheel: Path, bench_wheel: Path) -> None:
    program, bench = modules(program_wheel), modules(bench_wheel)

    everything = {file.relative_to(PACKAGE.parent).as_posix() for file in PACKAGE.rglob("*.py")}
    assert bench == {name for name in everything if name.startswith("codex_windows_ai/bench/")}
    assert program == everything - bench


def test_the_extra_names_the_benchmarks_of_the_same_version(
    program_wheel: Path, bench_wheel: Path, tmp_path: Path
) -> None:
    install(tmp_path, program_wheel, bench_wheel)
    program, bench = (
        PathDistribution(next(tmp_path.glob(f"{name}-*.dist-info")))
        for name in ("codex_windows_ai", "codex_windows_ai_bench")
    )

    assert program.version == bench.version
    assert bench.requires == [f"codex-windows-ai=={program.version}"]
    of_extra = [requirement for requirement in program.requires or [] if "extra == 'bench'" in requirement]
    assert f"codex-windows-ai-bench=={program.version}; extra == 'bench'" in of_extra
    assert any(requirement.startswith("onnxruntime-genai") for requirement in of_extra)


def test_without_the_benchmarks_the_command_says_how_to_install_them(program_wheel: Path, tmp_path: Path) -> None:
    install(tmp_path, program_wheel)

    ran = run_installed(tmp_path, "-m", "codex_windows_ai.cli", "bench", "soak")

    assert (ran.returncode, ran.stdout) == (4, "")
    assert "hint: Install them into the same environment: `python -m pip install 'codex-windows-ai[bench]'`." in (
        ran.stderr
    )


def test_with_both_wheels_the_command_and_the_measured_programs_are_there(
    program_wheel: Path, bench_wheel: Path, tmp_path: Path
) -> None:
    install(tmp_path, program_wheel, bench_wheel)

    ran = run_installed(tmp_path, "-m", "codex_windows_ai.cli", "bench", "--help")
    assert ran.returncode == 0, ran.stderr
    assert "soak" in ran.stdout

    # What is refused by the benchmarks themselves, not by the command.
    ran = run_installed(tmp_path, "-m", "codex_windows_ai.cli", "bench", "soak", "--peer", "vllm=/bin/absent")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "is not a program that can be run" in ran.stderr

    ran = run_installed(tmp_path, "-c", "import codex_windows_ai.bench.workers.ours as worker; print(worker.__file__)")
    assert Path(ran.stdout.strip()).is_relative_to(tmp_path), ran.stderr


def test_the_command_names_every_workload() -> None:
    assert [*WORKLOADS, ALL] == [name.value for name in WorkloadName]
