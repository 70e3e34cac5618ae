"""The page in a real Chromium: what a reader does with it. Served from loopback; `nox -s browser` selects these."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from browser_site import GROUND, INFERRED, PAGES, PEFTS, TORCHES, TRANSFORMERS, cell_id, write_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CACHE = cell_id("2.6.0", "4.51.3", "0.12.0")
HOSTILE_CELL, PASSING_CELL = cell_id("2.6.0", "4.51.3", "0.12.0"), cell_id("2.6.0", "4.51.3", "0.15.2")
PHONE = {"width": 390, "height": 844}


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
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def opened(browser: Browser, site: str) -> Iterator[Any]:
    """Opens a page of the site; at the end nothing may have been logged, and nothing asked for but the page."""
    contexts, complaints, requests = [], [], []

    def open_page(path: str = "made.html", **options: Any) -> Page:
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
    assert requests, "the pages were asked for"
    asked = {url.partition("#")[0] for url in requests if not url.startswith("data:")}
    assert asked <= {f"{site}/{name}" for name in PAGES}
    assert complaints == []


def shown_grid(page: Page) -> Locator:
    return page.locator(".grid:not([hidden])")


def hits(page: Page) -> list[str]:
    """The cells that stand out, by transformers and peft."""
    ids = [link.get_attribute("id") or "" for link in shown_grid(page).locator("td a.hit").all()]
    return [re.sub(r".*-transformers(.*)-peft(.*)", r"\1 \2", each) for each in ids]


def dialog(page: Page) -> Locator:
    """The open dialog, waited for: the browser tells the page of a new address in its own time."""
    found = page.locator("#cell[open]")
    found.wait_for()
    return found


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id"))


def test_the_newest_torch_is_shown_and_another_can_be_chosen(opened: Any) -> None:
    page = opened()
    switch = page.locator("#switch button")
    assert switch.all_inner_texts() == list(reversed(TORCHES))
    assert shown_grid(page).get_attribute("id") == "grid-py311-torch2.6.0"
    switch.nth(1).click()
    assert shown_grid(page).get_attribute("id") == "grid-py311-torch2.5.1"
    assert [each.get_attribute("aria-pressed") for each in switch.all()] == ["false", "true"]
    assert page.locator(".grid").count() == 2 and shown_grid(page).count() == 1


def test_every_outcome_has_a_mark_and_a_colour_of_its_own(opened: Any) -> None:
    page = opened()
    seen = {}
    for torch in (1, 0):
        page.locator("#switch button").nth(torch).click()
        for link in shown_grid(page).locator("td a").all():
            colour = link.evaluate("each => getComputedStyle(each).backgroundColor")
            seen[link.get_attribute("class")] = link.inner_text()[0], colour
    assert {outcome: mark for outcome, (mark, _) in seen.items()} == {
        "pass": "✓", "fail": "✗", "wrong": "≠", "unresolvable": "∅", "error": "!", "untested": "·",
        "pass inferred": "✓",
    }  # fmt: skip
    assert len({colour for _, colour in seen.values()}) == len(seen), "an inferred cell is lighter than a measured one"
    notes = {link.inner_text()[-1] for link in shown_grid(page).locator("td a").all()}
    assert "*" in notes, "a pass that only holds with the cache"


def test_a_class_of_the_legend_filters(opened: Any) -> None:
    page = opened()
    reasons = page.locator("#legend button")
    cache = reasons.filter(has_text="Cache only has 0 layers")
    cache.click()
    assert hits(page) == ["4.51.3 0.12.0"] and cache.get_attribute("aria-pressed") == "true"
    assert page.locator("#matches").inner_text().startswith("1 of 9 here, 2 in all")
    assert page.locator("#switch button").all_inner_texts() == ["2.6.0 1", "2.5.1 1"]
    reasons.filter(has_text="not recognised: TypeError").click()
    assert hits(page) == ["4.51.3 0.12.0", "4.43.4 0.15.2"], "either of the chosen"
    page.locator("#outcomes button").filter(has_text="works").first.click()
    assert hits(page) == [], "and the outcome too"
    page.locator("#clear").click()
    assert page.locator(".filtered").count() == 0 and page.locator("#matches").inner_text() == ""
    assert page.locator("#legend [aria-pressed=true], #outcomes [aria-pressed=true]").count() == 0


def test_marks_of_the_legend_filter_too(opened: Any) -> None:
    page = opened()
    marks = page.locator("#outcomes button")
    for words, expected in (
        ("cannot be installed", ["4.51.3 0.12.1"]),
        ("wrong result", ["5.24.0 0.12.0"]),
        ("but not with", ["4.43.4 0.12.1"]),
        ("right with", ["5.24.0 0.12.0"]),
        ("inferred", ["5.24.0 0.15.2"]),
    ):
        marks.filter(has_text=words).click()
        assert hits(page) == expected, words
        marks.filter(has_text=words).click()
    assert page.locator(".filtered").count() == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("peft 0.12", {f"{transformers} {peft}" for transformers in TRANSFORMERS for peft in PEFTS[:2]}),
        ("peft==0.12.1 transformers 5", {"5.24.0 0.12.1"}),
        ("peft>=0.12.1, transformers < 5", {f"{each} {peft}" for each in TRANSFORMERS[:2] for peft in PEFTS[1:]}),
        ("5.24 wrong", {"5.24.0 0.12.0"}),
        ("cache", {"4.51.3 0.12.0"}),
        ("Unexpected KEYWORD", {"4.43.4 0.15.2"}),
        ("train fails", {"4.43.4 0.15.2"}),
        ("works 0.15.2", {"4.51.3 0.15.2", "5.24.0 0.15.2"}),
        ("inferred", {"5.24.0 0.15.2"}),
        ("no such thing", set()),
    ],
)
def test_the_search_box_takes_versions_and_words(opened: Any, words: str, expected: set[str]) -> None:
    page = opened()
    page.fill("#search", words)
    assert set(hits(page)) == expected
    page.fill("#search", "")
    assert page.locator(".filtered").count() == 0


def test_a_cell_opens_by_click_and_tells_everything(opened: Any) -> None:
    page = opened()
    page.locator(f"[id='{CACHE}']").click()
    assert page.url.endswith(f"#{CACHE}")
    told = dialog(page).inner_text()
    assert "torch 2.6.0 · transformers 4.51.3 · peft 0.12.0" in told
    for expected in (
        "Fails in generate", "Training, saving and loading work",
        "Nearest pins that passed", "transformers 4.51.3 → 4.43.4", "torch==2.6.0 transformers==4.43.4 peft==0.12.0",
        "Cache only has 0 layers", "Why.", "What to do.",
        "KeyError: 'Cache only has 0 layers, attempted to access layer with index 0'",
        "Who is to blame", "Rules that cover it", "2026-01-02 12:00 UTC; 4 s, at most 512 MiB", "2026-02-11",
        f"compatcheck run matrix/made-up.toml --only {CACHE} --again --live", f"locks/{CACHE}.txt",
    ):  # fmt: skip
        assert expected in told, expected
    stages = dialog(page).locator(".bars tbody tr")
    assert stages.count() == 7 and stages.nth(1).inner_text().split() == ["load", "0.50", "s", "200", "MiB"]
    for kind in ("time", "memory"):
        widths = [bar.bounding_box()["width"] for bar in stages.locator(f".{kind} i").all()]
        assert widths == pytest.approx([widths[-1] * number / 7 for number in range(1, 8)], abs=2) and widths[-1] > 50
    page.keyboard.press("Escape")
    page.wait_for_function("id => document.activeElement.id === id", arg=CACHE)
    assert page.locator("#cell[open]").count() == 0 and "#" not in page.url
    page.locator(f"[id='{CACHE}']").click()
    assert dialog(page).is_visible(), "the same cell again"


def test_checks_are_told_whether_they_hold_or_not(opened: Any) -> None:
    page = opened(f"made.html#{cell_id('2.6.0', '5.24.0', '0.12.0')}")
    checks = dialog(page).locator(".checks li").all_inner_texts()
    assert checks[0].startswith("✗ does not hold: generate with the cache writes")
    assert checks[1:] == [
        "✓ the loss fell in training",
        "✓ generate without the cache writes what a plain loop over the model writes",
    ]
    told = dialog(page).inner_text()
    assert "Gives a wrong result" in told and "With use_cache=False, generate gives the right result here." in told


def test_a_cell_opens_by_its_address_whatever_torch_it_is_of(opened: Any) -> None:
    other = cell_id("2.5.1", "4.51.3", "0.12.1")
    page = opened(f"made.html#{other}")
    assert "torch 2.5.1 · transformers 4.51.3 · peft 0.12.1" in dialog(page).inner_text()
    assert "the ranges conflict" in dialog(page).inner_text()
    assert shown_grid(page).get_attribute("id") == "grid-py311-torch2.5.1"
    page.evaluate(f"location.hash = '{INFERRED}'")
    page.wait_for_function("document.getElementById('cell-title').textContent.includes('5.24.0')")
    said = dialog(page).inner_text()
    assert "Works (inferred, not run; confidence 0.90)" in said
    assert "Nearest pins that passed" in said, "its own were never run"
    dialog(page).locator("section", has_text="What it rests on").locator("a").click()
    page.locator("#cell-title", has_text="torch 2.6.0 · transformers 4.51.3 · peft 0.15.2").wait_for()
    assert page.url.endswith(f"#{GROUND}")
    page.go_back()
    page.locator("#cell-title", has_text="5.24.0").wait_for()
    page.go_back()
    page.wait_for_function("document.getElementById('cell-title').textContent.includes('4.51.3')")
    page.keyboard.press("Escape")
    page.wait_for_function("id => document.activeElement.id === id", arg=other)


def test_the_keyboard_goes_through_the_grid(opened: Any) -> None:
    page = opened()
    links = shown_grid(page).locator("td a")
    assert [each.get_attribute("tabindex") for each in links.all()].count("0") == 1, "one stop for the whole grid"
    links.first.focus()
    at = functools.partial(cell_id, "2.6.0")
    for key, expected in (
        ("ArrowRight", at("5.24.0", "0.12.1")),
        ("ArrowDown", at("4.51.3", "0.12.1")),
        ("End", at("4.51.3", "0.15.2")),
        ("ArrowRight", at("4.51.3", "0.15.2")),
        ("Home", at("4.51.3", "0.12.0")),
        ("Control+End", at("4.43.4", "0.15.2")),
        ("ArrowUp", at("4.51.3", "0.15.2")),
        ("Control+Home", at("5.24.0", "0.12.0")),
        ("ArrowLeft", at("5.24.0", "0.12.0")),
    ):
        page.keyboard.press(key)
        assert focused(page) == expected, key
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    dialog(page)
    assert page.url.endswith(f"#{CACHE}")
    page.keyboard.press("Escape")
    page.wait_for_function("id => document.activeElement.id === id", arg=CACHE)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert focused(page) == CACHE, "the grid remembers where one was"


def test_a_cell_says_to_a_screen_reader_what_it_is(opened: Any) -> None:
    page = opened()
    grid = shown_grid(page).get_by_role("grid")
    assert "torch 2.6.0" in (grid.get_attribute("aria-label") or "")
    assert grid.get_by_role("link", name="transformers 4.51.3, peft 0.12.0: fails in generate. ").count() == 1
    assert grid.get_by_role("columnheader", name="0.12.1").count() == 1
    assert grid.get_by_role("rowheader", name="5.24.0").count() == 1
    assert page.get_by_role("status").count() == 2


def test_pins_commands_and_links_are_copied(opened: Any) -> None:
    page = opened()

    def copied(button: Locator) -> str:
        button.click()
        button.filter(has_text="copied").wait_for()
        return str(page.evaluate("navigator.clipboard.readText()"))

    assert copied(page.locator(".pins button.copy").first) == "torch==2.6.0 transformers==4.51.3 peft==0.15.2"
    page.locator(f"[id='{CACHE}']").click()
    buttons = dialog(page).locator("button.copy")
    said = [copied(buttons.nth(number)) for number in range(buttons.count())]
    assert said == [
        "torch==2.6.0 transformers==4.43.4 peft==0.12.0",
        f"compatcheck run matrix/made-up.toml --only {CACHE} --again --live",
        f"pip install --require-hashes -r locks/{CACHE}.txt",
        page.url,
    ]
    assert page.url.endswith(CACHE)
    page.wait_for_timeout(1500)
    assert buttons.first.inner_text() == "copy pins", "the label comes back"


def test_my_versions_get_a_verdict_and_the_nearest_pins(opened: Any) -> None:
    page = opened()

    def asked(**versions: str) -> str:
        for name in ("torch", "transformers", "peft"):
            page.fill(f"#mine input[name={name}]", versions.get(name, ""))
        page.get_by_role("button", name="Do they work?").click()
        return str(page.locator("#verdict").inner_text())

    bad = asked(torch="2.6.0", transformers="4.51.3", peft="0.12.0")
    assert "Fails in generate. Cache only has 0 layers." in bad
    assert "Nearest pins that passed: torch==2.6.0 transformers==4.43.4 peft==0.12.0" in bad
    good = asked(torch="2.6.0+cu124", transformers="4.51.3", peft="0.15.2")
    assert "Works." in good and "Nearest" not in good
    several = asked(transformers="4.51.3")
    assert "2 of 6 measured combinations with transformers 4.51.3 work." in several
    unknown = asked(torch="2.6.0", transformers="4.51.0", peft="0.15.2")
    assert "Not measured. transformers 4.51.0 is not in this table." in unknown
    assert "torch 2.6.0, transformers 4.51.3, peft 0.15.2 works." in unknown
    assert "Give at least one version." in asked()
    page.evaluate(
        "navigator.clipboard.writeText('accelerate==1.0\\ntorch==2.6.0+cpu\\nsome-peft==9\\npeft==0.12.0\\ntransformers==4.51.3')"
    )
    page.locator("#mine input[name=peft]").focus()
    page.keyboard.press("Control+V")
    page.keyboard.press("Enter")
    assert "Fails in generate." in page.locator("#verdict").inner_text()


def test_what_changed_leads_to_the_cells(opened: Any) -> None:
    page = opened()
    changed = page.locator("section[aria-labelledby=changed]")
    numbers = [int(each) for each in re.findall(r"(\d+) (?!cells)[a-z]", changed.locator("p").inner_text())]
    assert sum(numbers) == 18 and "18 cells in all" in changed.inner_text()
    changed.locator("summary", has_text="fixed").click()
    link = changed.locator("a:visible").first
    wanted = link.inner_text()
    link.click()
    dialog(page)
    assert page.url.endswith(f"#{wanted}")


def test_text_from_outside_is_shown_and_never_run(opened: Any) -> None:
    page = opened(f"hostile.html#{HOSTILE_CELL}")
    told = dialog(page).locator(".message").inner_text()
    assert "<img src=x onerror=" in told and "<b>bold</b>" in told and "more characters]" in told
    assert len(told) < 2000
    for peft in ("0.16.0", "0.17.0"):
        page.evaluate(f"location.hash = '{cell_id('2.6.0', '4.51.3', peft)}'")
        page.wait_for_function("peft => document.getElementById('cell-title').textContent.includes(peft)", arg=peft)
        assert "</script><img src=x" in dialog(page).locator(".message").inner_text()
    assert page.locator("img").count() == 0 and "owned" not in page.title()


def test_no_other_script_could_run(browser: Browser, site: str) -> None:
    page = browser.new_page()
    page.goto(f"{site}/made.html")
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'owned'";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='document.title = `owned`'>");
    }""")
    page.wait_for_timeout(100)
    assert "owned" not in page.title()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_reader(opened: Any, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
    assert (brightness > 200) == (scheme == "light")


@pytest.mark.parametrize("path", ["made.html", "hostile.html", "committed.html"])
def test_a_phone_needs_no_sideways_scrolling(opened: Any, path: str) -> None:
    page = opened(path, viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shown_grid(page).locator("td a").first.click()
    box = dialog(page).bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert dialog(page).evaluate("each => each.scrollWidth <= each.clientWidth")


def test_without_javascript_every_table_is_there(opened: Any) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator(".grid").first.is_visible() and page.locator(".grid").last.is_visible()
    assert not page.locator("#search").is_visible() and not page.locator("button:visible").count()
    assert page.locator("td.fail").count() == 4
    page.locator("#legend a").first.click()
    assert page.locator(".class:target").count() == 1


def test_on_paper_every_table_stands_and_no_button(opened: Any) -> None:
    page = opened()
    page.emulate_media(media="print")
    assert all(grid.is_visible() for grid in page.locator(".grid").all())
    assert page.locator("#switch:visible, #legend:visible, .copy:visible, input:visible").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 1280, "height": 900}, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize(
    "place",
    ["made.html", f"made.html#{CACHE}", "made.html?", f"hostile.html#{PASSING_CELL}", "committed.html"],
    ids=["page", "cell", "filtered", "hostile", "committed"],
)
def test_nothing_stands_in_the_way_of_a_screen_reader(
    opened: Any, scheme: str, size: dict[str, int], place: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(place.rstrip("?"), color_scheme=scheme, viewport=size)
    if place.endswith("?"):
        page.fill("#search", "peft 0.12")
        page.locator("summary").first.click()
        page.fill("#mine input[name=peft]", "0.12.0")
        page.locator("#mine fieldset button").click()
    results = Axe().run(page)
    told = [(each["id"], [node["target"] for node in each["nodes"]][:5]) for each in results.response["violations"]]
    assert told == []


def test_the_committed_page_opens_a_cell_and_logs_nothing(opened: Any) -> None:
    page = opened("committed.html")
    links = shown_grid(page).locator("td a")
    assert links.count() > 50
    wanted = links.nth(7).get_attribute("id")
    links.nth(7).click()
    assert page.url.endswith(f"#{wanted}")
    assert "To repeat it" in dialog(page).inner_text()
