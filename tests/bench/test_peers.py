"""Whom `--peer` names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from codex_windows_ai.bench.sides.peers import Peer, Program, parse_peers
from codex_windows_ai.bench.workloads import check_peers
from codex_windows_ai.errors import InvalidRequestError

HERE = Peer("theirs", "http://127.0.0.1:1")


def test_a_peer_is_an_address_without_the_path_of_the_api_or_a_program_with_its_model(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.touch()

    peers = parse_peers(
        ["vllm=http://127.0.0.1:8000/v1/", "openvino=http://[::1]:1", f"llama.cpp={sys.executable}"],
        model,
        [f"openvino={os.getpid()}"],
    )

    assert peers == (
        Peer("vllm", "http://127.0.0.1:8000"),
        Peer("openvino", "http://[::1]:1", os.getpid()),
        Peer("llama.cpp", program=Program(Path(sys.executable), model)),
    )


@pytest.mark.parametrize(
    ("texts", "pids", "said"),
    [
        (["vllm"], [], "does not say what is called how"),
        (["=http://127.0.0.1:1"], [], "does not say what is called how"),
        (["vllm="], [], "does not say what is called how"),
        (["ours=http://127.0.0.1:1"], [], "this program's side"),
        (["vllm=ftp://127.0.0.1"], [], "no address of a web server"),
        (["vllm=http://"], [], "no address of a web server"),
        (["vllm=http://a:b"], [], "no sound address"),
        (["vllm=/absent"], [], "not a program that can be run"),
        ([f"llama-server={sys.executable}"], [], "needs the GGUF file"),
        (["a=http://b", "a=http://c"], [], "Two peers are called `a`"),
        (["a=http://b"], ["b=1"], "names no peer"),
        (["a=http://b"], ["a"], "not of the form NAME=PID"),
        (["a=http://b"], ["a=4294967294"], "no such process"),
    ],
)
def test_what_names_no_peer_is_refused(texts: list[str], pids: list[str], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        parse_peers(texts, None, pids)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"There is no file .*absent\.gguf"):
        parse_peers(["a=http://b"], tmp_path / "absent.gguf", [])


@pytest.mark.parametrize(
    ("workload", "peers", "said"),
    [
        ("soak", (HERE,), "compares with no peers"),
        ("compare", (), "needs somebody to compare with"),
        ("agents", (HERE,), "which it starts"),
    ],
)
def test_peers_that_a_workload_cannot_ask_are_refused(workload: str, peers: tuple[Peer, ...], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        check_peers(workload, peers)


def test_peers_that_a_workload_asks_are_taken(tmp_path: Path) -> None:
    check_peers("compare", (HERE,))
    check_peers("agents", (Peer("llama-server", program=Program(tmp_path, tmp_path)),))
    check_peers("agents", ())
