"""What keeps loopback out of proxies."""

from __future__ import annotations

import sys

import pytest

from codex_windows_ai.client.proxies import around_proxies


@pytest.fixture(autouse=True)
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")


def test_loopback_is_added_in_both_spellings() -> None:
    direct = around_proxies({"HTTP_PROXY": "http://proxy:3128"})

    assert direct == {
        "HTTP_PROXY": "http://proxy:3128",
        "NO_PROXY": "127.0.0.1,localhost,::1",
        "no_proxy": "127.0.0.1,localhost,::1",
    }


def test_what_needed_no_proxy_before_still_needs_none() -> None:
    direct = around_proxies({"NO_PROXY": "intranet, 127.0.0.1", "no_proxy": ".example.com"})

    assert direct["no_proxy"] == direct["NO_PROXY"] == "intranet,127.0.0.1,.example.com,localhost,::1"


def test_windows_has_one_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    assert around_proxies({}) == {"NO_PROXY": "127.0.0.1,localhost,::1"}


def test_without_an_environment_it_is_this_processs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING", "else")

    assert around_proxies()["SOMETHING"] == "else"


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_who_asks_everything_directly_goes_on_to(variable: str) -> None:
    direct = around_proxies({variable: "*", "NO_PROXY" if variable == "no_proxy" else "no_proxy": "intranet"})

    assert direct["no_proxy"] == direct["NO_PROXY"] == "*"


def test_a_host_that_listens_on_another_address_of_this_machine_is_asked_directly_too() -> None:
    assert around_proxies({}, host="192.0.2.2")["no_proxy"] == "127.0.0.1,localhost,::1,192.0.2.2"
    assert around_proxies({}, host="127.0.0.1")["no_proxy"] == "127.0.0.1,localhost,::1"
