"""The page in a real Chromium: what a reader does with it. Served from loopback; `nox -s browser` selects these."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import made_up
import pytest

from compatcheck.domain import Raised
from compatcheck.report.page import html_text

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"> <b>bold</b> \x1b[31m"
FAILING = "py311-torch2.6.0-transformers4.51.3-peft0.12.0"
PASSING = "py311-torch2.6.0-transformers4.51.3-peft0.15.2"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import Error, sync_playwright

    found = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            # root may not use Chromium's sandbox, and the page is our own
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=found, args=arguments)
        except Error as error:
            pytest.fail(
                "these tests need Chromium: `apt-get install chromium` (Debian), `playwright install chromium` (else). "
                f"It says: {str(error).splitlines()[0]}"
            )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a folder with the committed report's page, and one of a made-up report with hostile text."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "reports" / "compatibility.html", folder / "real.html")
    (folder / "hostile.html").write_text(html_text(hostile_context()), encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def hostile_context() -> Any:
    raised = Raised("Odd", "m", HOSTILE + "x" * 1_000_000)
    results = [
        made_up.result(made_up.cell(peft="0.12.0"), made_up.observation(raised)),
        made_up.result(made_up.cell(peft="0.15.2"), made_up.observation()),
        made_up.result(made_up.cell(peft="0.16.0"), reason=HOSTILE),
    ]
    return made_up.context(results)


@pytest.fixture
def opened(browser: Browser, site: str) -> Iterator[Any]:
    """Opens a page of the site; at the end nothing may have been logged, and nothing asked of another place."""
    contexts, complaints, requests = [], [], []

    def open_page(path: str = "real.html", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{site}/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    # the browser itself asks for an icon; the page names none
    strays = [url for url in requests if not re.match(rf"{re.escape(site)}/(real|hostile)\.html", url)]
    assert [url for url in strays if not url.endswith("/favicon.ico")] == []
    assert [text for text in complaints if "favicon.ico" not in text and "404" not in text] == []


def shown_grid(page: Page) -> Any:
    return page.locator(".grid:not([hidden])")


def dialog(page: Page) -> Any:
    """The open dialog, waited for: the browser tells the page of a new address in its own time."""
    found = page.locator("#cell[open]")
    found.wait_for()
    return found


def test_one_torch_is_shown_and_another_can_be_chosen(opened: Any) -> None:
    page = opened()
    switch = page.locator("#switch button")
    assert shown_grid(page).count() == 1
    assert switch.count() == page.locator(".grid").count() > 1
    second = switch.nth(1)
    second.click()
    assert shown_grid(page).get_attribute("id") == f"grid-{second.get_attribute('data-grid')}"
    assert second.get_attribute("aria-pressed") == "true" and switch.nth(0).get_attribute("aria-pressed") == "false"


def test_a_class_of_the_legend_filters(opened: Any) -> None:
    page = opened()
    first = page.locator("#legend button").first
    letter = first.locator("b").inner_text()
    first.click()
    hits = shown_grid(page).locator("td a.hit")
    assert hits.count() > 0
    assert all(letter in text for text in hits.all_inner_texts())
    assert page.locator("#matches").inner_text().startswith(f"{hits.count()} of ")
    first.click()
    assert page.locator("td a.hit").count() == 0 and page.locator("#matches").inner_text() == ""


def test_the_search_box_takes_versions_and_words(opened: Any) -> None:
    page = opened()
    page.fill("#search", "peft 0.12")
    ids = [link.get_attribute("id") for link in shown_grid(page).locator("td a.hit").all()]
    assert ids and all("-peft0.12." in each for each in ids)
    page.fill("#search", "past_key_values")
    words = shown_grid(page).locator("td a.hit").first
    words.click()
    assert "past_key_values" in dialog(page).inner_text()
    page.keyboard.press("Escape")
    page.fill("#search", "no such thing at all")
    assert page.locator("td a.hit").count() == 0


def test_a_cell_opens_by_click_and_its_address_can_be_handed_on(opened: Any) -> None:
    page = opened()
    link = shown_grid(page).locator("td a.fail").first
    wanted = link.get_attribute("id")
    link.click()
    assert page.url.endswith(f"#{wanted}")
    body = dialog(page)
    assert "What to do." in body.inner_text() and "Nearest pins that passed." in body.inner_text()
    assert body.locator(".bars tr").count() >= 1
    page.keyboard.press("Escape")
    page.wait_for_function("id => document.activeElement.id === id", arg=wanted)
    assert page.locator("#cell[open]").count() == 0


def test_a_cell_opens_by_its_address_whatever_torch_it_is_of(opened: Any) -> None:
    first = opened()
    other = first.locator(".grid").last.get_attribute("id").removeprefix("grid-")
    some = first.locator(f"[id='grid-{other}'] tbody th").first.inner_text().split()[0]
    peft = first.locator(".grid thead th").nth(1).inner_text().split()[0]
    page = opened(f"real.html#{other}-transformers{some}-peft{peft}")
    dialog(page)
    assert f"transformers {some}, peft {peft}" in page.locator("#cell-title").inner_text()
    assert shown_grid(page).get_attribute("id") == f"grid-{other}"


def test_the_keyboard_goes_through_the_grid(opened: Any) -> None:
    page = opened()
    links = shown_grid(page).locator("tbody tr").first.locator("td a")
    links.first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == links.nth(1).get_attribute("id")
    page.keyboard.press("ArrowDown")
    below = shown_grid(page).locator("tbody tr").nth(1).locator("td a").nth(1).get_attribute("id")
    assert page.evaluate("document.activeElement.id") == below
    page.keyboard.press("Enter")
    dialog(page)
    assert page.url.endswith(f"#{below}")


def test_pins_and_commands_are_copied(opened: Any) -> None:
    page = opened()
    button = page.locator(".pins button.copy").first
    wanted = button.get_attribute("data-copy")
    button.click()
    page.wait_for_function("document.querySelector('.pins button.copy').textContent === 'copied'")
    assert page.evaluate("navigator.clipboard.readText()") == wanted
    assert wanted.startswith("torch==") and "peft==" in wanted


def test_my_versions_get_a_verdict_and_the_nearest_pins(opened: Any) -> None:
    page = opened("hostile.html")
    page.fill("#mine input[name=peft]", "0.12.0")
    page.locator("#mine fieldset button").click()
    verdict = page.locator("#verdict").inner_text()
    assert verdict.startswith("fail in generate.")
    assert "torch==2.6.0 transformers==4.51.3 peft==0.15.2" in verdict
    page.fill("#mine input[name=peft]", "0.15.2")
    page.locator("#mine fieldset button").click()
    assert page.locator("#verdict").inner_text().startswith("pass.")
    page.fill("#mine input[name=peft]", "0.15.9")
    page.locator("#mine fieldset button").click()
    assert page.locator("#verdict").inner_text().startswith("Not measured.")


def test_text_from_outside_is_shown_and_never_run(opened: Any) -> None:
    page = opened(f"hostile.html#{FAILING}")
    told = dialog(page).locator(".message").inner_text()
    assert "<img src=x onerror=" in told and "<b>bold</b>" in told and "more characters]" in told
    assert len(told) < 2000
    assert page.locator("img").count() == 0 and "owned" not in page.title()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_reader(opened: Any, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
    assert (brightness > 200) == (scheme == "light")


def test_a_phone_needs_no_sideways_scrolling(opened: Any) -> None:
    page = opened(viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shown_grid(page).locator("td a").first.click()
    box = dialog(page).bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_without_javascript_every_table_is_there(opened: Any) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator(".grid").first.is_visible() and page.locator(".grid").last.is_visible()
    assert not page.locator("#search").is_visible()
    assert page.locator("td.fail").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["real.html", f"hostile.html#{FAILING}", f"hostile.html#{PASSING}"])
def test_nothing_stands_in_the_way_of_a_screen_reader(opened: Any, scheme: str, place: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(place, color_scheme=scheme)
    results = Axe().run(page)
    told = [(each["id"], [node["target"] for node in each["nodes"]][:5]) for each in results.response["violations"]]
    assert told == []
