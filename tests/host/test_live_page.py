"""The page at the host's root: what is sent, and what a real browser makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import httpx2
import pytest

from codex_windows_ai.hardware.figures import AdapterFigures, CpuFigures, MachineFigures, MemoryFigures
from codex_windows_ai.host import statistics
from codex_windows_ai.settings import Settings
from tests.host.browser import Page, chromium
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

OWN = {"authorization": f"Bearer {TOKEN}"}
FILES = {
    "/": "text/html; charset=utf-8",
    "/page/page.css": "text/css; charset=utf-8",
    "/page/page.js": "text/javascript; charset=utf-8",
    "/page/icon.svg": "image/svg+xml",
}
MARKUP = "<img src=x>"


@pytest.fixture(scope="module")
def host(tiny_settings_of_module: Settings) -> Iterator[LiveHost]:
    """A host of this module's own, whose figures nobody else changes."""
    with LiveHost(tiny_settings_of_module, TOKEN) as live:
        for agent in ("review", MARKUP):
            chat(live, agent)
        yield live


@pytest.fixture(scope="module")
def tiny_settings_of_module(tiny_model_path: Any) -> Settings:
    return Settings(model=str(tiny_model_path), threads=1)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Page:
    """The browser's tab, which knows nothing of the tests before."""
    browser.open("about:blank")
    browser.send("Emulation.clearDeviceMetricsOverride")
    browser.send("Emulation.setEmulatedMedia", features=[])
    browser.events.clear()
    return browser


def chat(live: LiveHost, agent: str) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hello " * 12}], "max_tokens": 8}
    headers = OWN | {"session-id": agent}
    httpx2.post(f"{live.url}/v1/chat/completions", json=body, headers=headers, timeout=PATIENCE).raise_for_status()


def link(live: LiveHost) -> str:
    code = httpx2.post(f"{live.url}/view/codes", headers=OWN).raise_for_status().json()["code"]
    return f"{live.url}/#code={code}"


def give_token(page: Page, token: str) -> None:
    page.evaluate(f"document.querySelector('#token').value = '{token}'")
    page.evaluate("document.querySelector('#entrance button').click()")


def show(page: Page, url: str) -> None:
    page.open(url)
    page.wait_for("document.querySelector('#figures')?.hidden === false")


@pytest.mark.parametrize("path", FILES)
def test_everybody_may_have_the_page_under_a_policy_that_allows_this_host_alone(path: str, host: LiveHost) -> None:
    answer = httpx2.get(f"{host.url}{path}")

    assert (answer.status_code, answer.headers["content-type"]) == (200, FILES[path])
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert TOKEN not in answer.text
    assert "://" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_a_link_shows_the_figures_asks_nobody_else_and_complains_of_nothing(page: Page, host: LiveHost) -> None:
    url = link(host)
    show(page, url)

    assert page.texts("#agents th") == [MARKUP, "review"]  # as text, whatever a client calls itself
    review = dict(zip(page.texts("thead th")[1:10], page.texts("#agents tr:nth-child(2) td"), strict=True))
    assert (review["Running"], review["Queued"], review["Output tokens"], review["Answered"]) == ("0", "0", "8", "1")
    assert page.texts("#state") == [f"ready, version {version('codex-windows-ai')}"]
    now = dict(zip(page.texts("#now dt"), page.texts("#now dd"), strict=True))
    assert now["Answered"].split("\n") == ["2", "0 failed, 0 cancelled"]
    occupancy = round(host.engine.statistics().batch_occupancy, 2)
    assert now["Batch occupancy"].endswith(f"{occupancy:.1f} on average")
    assert page.texts("#answers dd")[0] == "engine"
    assert "engine:gpu" in page.texts("#refused th")
    assert page.texts("#devices td")[0].endswith("%")
    assert page.complaints == []
    assert {address.partition("#")[0].removeprefix(host.url) for address in page.requested} == {
        *FILES,
        "/view/tokens",
        "/statistics",
    }


def test_every_adapter_has_a_row_and_what_is_not_known_is_a_dash(
    page: Page, host: LiveHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = [
        AdapterFigures("Arc A770", "Intel", "0000:03:00.0", "xe", "drm", 12.0, 16 * 10**9, 3 * 10**9),
        AdapterFigures("Old card", "AMD", "0000:04:00.0", None, "drm"),
    ]
    machine = MachineFigures(adapters, CpuFigures("Ryzen", 8, 16, 7.5), MemoryFigures(32 * 10**9, 20 * 10**9))
    monkeypatch.setattr(statistics, "read_machine", lambda: machine)
    show(page, link(host))

    assert page.texts("#devices th") == ["Arc A770", "Old card", "Ryzen"]
    assert page.texts("#devices td") == ["12 %", "3.0 GB", "16.0 GB", "–", "–", "–", "8 %", "12.0 GB", "32.0 GB"]  # noqa: RUF001


def test_a_host_without_a_model_says_why(page: Page) -> None:
    with LiveHost(Settings(model="absent"), TOKEN) as live:
        show(page, link(live))
        page.wait_for("document.querySelector('#state').classList.contains('alarm')")

        assert page.texts("#state")[0].startswith("failed: ")
        assert page.texts("#answers dd") == ["nobody yet"]
        assert page.texts("#now dt")[0] == "Requests"
        assert page.complaints == []


def test_the_last_figures_stay_when_the_host_ends(page: Page, tiny_settings: Settings) -> None:
    with LiveHost(tiny_settings, TOKEN) as live:
        chat(live, "last")
        show(page, link(live))
    page.wait_for("document.querySelector('#state').innerText.includes('does not answer')")

    assert page.texts("#agents th") == ["last"]


def test_the_figures_change_by_themselves(page: Page, host: LiveHost) -> None:
    show(page, link(host))
    assert "newcomer" not in page.texts("#agents th")
    chat(host, "newcomer")

    page.wait_for("document.querySelector('#agents th').innerText === 'newcomer'")


def test_nothing_that_opens_a_door_is_left_in_the_browser(page: Page, host: LiveHost) -> None:
    url = link(host)
    show(page, url)
    bearers = {
        request["request"]["headers"].get("authorization")
        for request in page.parameters_of("Network.requestWillBeSent")
        if request["request"]["url"] == f"{host.url}/statistics"
    }

    assert page.evaluate("location.href") == f"{host.url}/"
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert len(bearers) == 1
    assert bearers.isdisjoint({OWN["authorization"], f"Bearer {url.partition('=')[2]}"})


def test_a_used_link_says_what_to_do_and_the_hosts_token_opens_the_page_too(page: Page, host: LiveHost) -> None:
    url = link(host)
    show(page, url)
    page.open("about:blank")
    page.open(url)
    page.wait_for("document.querySelector('#entrance')?.hidden === false")
    assert page.texts("#state") == [
        "This link has been used, or is too old. `cwai top --web` makes another; each works once."
    ]

    give_token(page, "another-hosts-token")
    page.wait_for("document.querySelector('#state').innerText.includes('does not know this token')")
    give_token(page, TOKEN)
    page.wait_for("document.querySelector('#figures').hidden === false")
    assert "review" in page.texts("#agents th")


def test_another_link_in_the_same_tab_goes_on(page: Page, host: LiveHost) -> None:
    page.open(f"{host.url}/")
    page.wait_for("document.querySelector('#entrance')?.hidden === false")
    assert page.complaints == []

    show(page, link(host))
    assert page.complaints == []


def test_the_policy_holds_against_whatever_got_into_the_page(page: Page, host: LiveHost) -> None:
    show(page, link(host))
    broken = page.evaluate("""new Promise((resolve) => {
        const broken = [];
        addEventListener("securitypolicyviolation", (event) => {
            broken.push(event.effectiveDirective);
            if (broken.length === 3) resolve(broken.sort());
        });
        fetch("https://example.org/").catch(() => {});
        document.body.append(Object.assign(new Image(), { src: "https://example.org/x.png" }));
        document.body.append(Object.assign(document.createElement("script"), { textContent: "window.foreign = 1" }));
    })""")

    assert broken == ["connect-src", "img-src", "script-src-elem"]
    assert page.evaluate("window.foreign === undefined")
    page.evaluate("document.body.querySelectorAll('img, script').forEach((each) => each.remove())")


@pytest.mark.parametrize("width", [320, 390, 1100])
def test_it_is_as_wide_as_the_screen(width: int, page: Page, host: LiveHost) -> None:
    page.send("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600)
    show(page, link(host))

    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).fontSize") == "16px"


def test_text_can_be_read_in_light_and_in_dark(page: Page, host: LiveHost) -> None:
    def contrast(scheme: str, selector: str) -> float:
        page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        text, ground = (
            luminance(page.evaluate(f"getComputedStyle(document.querySelector('{each}')).{value}"))
            for each, value in ((selector, "color"), ("body", "backgroundColor"))
        )
        lighter, darker = max(text, ground), min(text, ground)
        assert (ground > text) == (scheme == "light")
        return (lighter + 0.05) / (darker + 0.05)

    show(page, link(host))
    # What WCAG 2.2 asks of text, level AA.
    for scheme in ("light", "dark"):
        for selector in ("body", "#state", "thead th", "dt", "#now small"):
            assert contrast(scheme, selector) >= 4.5, (scheme, selector)


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, as WCAG 2.2 defines it."""
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_screen_reader_finds_named_tables_with_headings_and_one_status(page: Page, host: LiveHost) -> None:
    show(page, link(host))
    nodes = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in page.send("Accessibility.getFullAXTree")["nodes"]
        if not node["ignored"]
    ]
    names: dict[str, list[str]] = {}
    for role, name in nodes:
        names.setdefault(role, []).append(name)

    headings = ["codex-windows-ai", "Now", "Agents", "Who answers", "Preferred, but not used", "Devices"]
    assert sorted(names["heading"]) == sorted(headings)
    assert sorted(names["table"]) == [
        "Devices",
        "Preferred, but not used",
        "Seen in the last 10 minutes, those at work first",
    ]
    assert names["columnheader"][:3] == ["Agent", "Running", "Queued"]
    assert "review" in names["rowheader"]
    assert len(names["status"]) == 1
    assert names["main"] and page.evaluate("document.documentElement.lang") == "en"
