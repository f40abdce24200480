"""The components by themselves in a real browser: their script is given what the pages send, without a server."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.test_browser import CHROMIUM, FLAGS, ROOT

Update = Callable[[dict[str, Any]], None]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="needs chromium (Debian: apt-get install chromium)"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "CI has to install chromium: browser tests are not skipped there"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    yield page
    page.close()


def mount(page: Page, folder: Path) -> Update:
    """Put a component on an empty page; returns what sends it data. What it triggers is in ``window.triggered``."""
    parts = {ending: (folder / f"{folder.name}.{ending}").read_text() for ending in ("html", "css", "js")}
    page.set_content(f"<style>{parts['css']}</style><main>{parts['html']}</main>")
    module = "data:text/javascript;base64," + base64.b64encode(parts["js"].encode()).decode()
    page.evaluate("async (url) => { window.component = (await import(url)).default; window.triggered = []; }", module)

    def update(data: dict[str, Any]) -> None:
        page.evaluate(
            """(data) => component({ data, parentElement: document.querySelector("main"), setStateValue: () => {},
                 setTriggerValue: (name, value) => triggered.push([name, value]) })""",
            data,
        )

    return update


def photo(colour: str) -> str:
    """Return a photo of one colour, given as six digits: all are of the same length."""
    picture = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'><rect width='8' height='8' fill='%23{colour}'/>"
    )
    return f"data:image/svg+xml,{picture}</svg>"


def card(title: str, values: np.ndarray | None = None, **more: Any) -> dict[str, Any]:
    packed = {} if values is None else {"unit": 1 / 100, "values": base64.b64encode(values.astype("<i2")).decode()}
    shared = {"status": "done", "place": "no path", "words": "", "error": None, "can_cancel": False, "seen": ""}
    return {"key": title, "title": title, "lines": [["time", "1 s"]], **shared, **packed, **more}


def cards(*shown: dict[str, Any], of: str = "") -> dict[str, Any]:
    ramp = [[k, 0, 255 - k] for k in range(256)]
    return {
        **{"photo": of or photo("ff0000"), "height": 8, "width": 8, "cards": list(shown)},
        **{"scales": {"map": "per map"}, "palettes": {"signed": ramp, "intensity": ramp}},
    }


def pixels(page: Page, selector: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")).astype(int)


def test_another_photo_of_the_same_length_is_shown(page):
    update = mount(page, ROOT / "ui" / "grid")
    first, second = photo("ff0000"), photo("0000ff")
    update(cards(card("A"), of=first))
    expect(page.locator(".card img")).to_have_attribute("src", first)
    update(cards(card("A"), of=second))
    expect(page.locator(".card img")).to_have_attribute("src", second)


def test_a_map_that_was_made_again_is_drawn_again(page):
    update = mount(page, ROOT / "ui" / "grid")
    update(cards(card("A", np.full((8, 8), 100))))
    page.wait_for_timeout(100)
    before = pixels(page, ".card canvas")
    update(cards(card("A", np.full((8, 8), -100))))
    page.wait_for_timeout(100)
    assert np.abs(pixels(page, ".card canvas") - before).mean() > 30


def test_news_leave_what_has_not_changed_alone(page):
    update = mount(page, ROOT / "ui" / "grid")
    update(cards(card("A", status="running", can_cancel=True), card("B", status="waiting", can_cancel=True)))
    expect(page.locator(".card")).to_have_count(3)
    page.get_by_role("button", name="Cancel B").focus()
    heights = [box["height"] for box in (c.bounding_box() for c in page.locator(".card").all())]
    update(cards(card("A", np.ones((8, 8))), card("B", status="running", can_cancel=True)))
    update(cards(card("A", np.ones((8, 8))), card("B", status="running", can_cancel=True)))
    expect(page.locator(".card canvas")).to_have_count(1)
    assert [box["height"] for box in (c.bounding_box() for c in page.locator(".card").all())] == heights
    expect(page.get_by_role("button", name="Cancel B")).to_be_focused()
    update(cards(card("A", np.ones((8, 8)), status="cached"), card("B", status="running", can_cancel=True)))
    expect(page.get_by_role("button", name="Cancel B")).to_be_focused()
    page.get_by_role("button", name="Cancel B").click()
    assert page.evaluate("triggered") == [["cancel", "B"]]
    update(cards(card("B", error="It cannot.")))
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator(".card .state")).to_have_text("It cannot.")


def test_a_map_without_curves_says_why(page):
    update = mount(page, ROOT / "ui" / "grid")
    update(cards(card("A", np.ones((8, 8)), status="failed", error="no memory left")))
    expect(page.locator(".card canvas")).to_be_visible()
    expect(page.locator(".card .fault")).to_have_text("no memory left")
