"""Learn in a real browser: five scenes, each played with; and every page checked for accessibility."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.test_browser import LONG, address, browser, page, pytestmark  # noqa: F401


def seen(page: Page) -> str:
    """Return what "What you just saw" says."""
    heading = page.get_by_role("heading", name="What you just saw")
    expect(heading).to_be_visible(timeout=LONG)
    return heading.locator("xpath=ancestor::*[@data-testid='stMarkdown'][1]").inner_text()


def settle(page: Page) -> None:
    """Wait until the script is done and what it drew is there."""
    page.wait_for_timeout(600)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=LONG)
    expect(page.locator(".keys-root")).to_be_attached(timeout=LONG)
    page.wait_for_timeout(600)


def changes(page: Page, before: str) -> str:
    """Wait until the words are others than before, and return them."""
    for _ in range(60):
        settle(page)
        if (now := seen(page)) != before:
            return now
    raise AssertionError("nothing changed")


def test_five_scenes_played_with(page, address):
    page.goto(f"{address}/Learn")
    words = seen(page)
    settle(page)
    board = page.locator(".board-root svg")
    expect(board.locator("image")).to_have_attribute("href", re.compile("^data:image/png"))
    area = board.bounding_box()
    page.mouse.click(area["x"] + 0.75 * area["width"], area["y"] + 0.75 * area["height"])
    expect(page.locator(".board-root .words")).to_contain_text("Your path has 1 point", timeout=LONG)
    expect(page).to_have_url(re.compile("path="), timeout=LONG)
    page.locator(".st-key-toy-steps input[type=range]").first.press("Home")
    words = changes(page, words)

    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.get_by_role("heading", name="Which path should we prefer?")).to_be_visible(timeout=LONG)
    words = changes(page, words)
    assert "Your path has" in words  # it came along
    board.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".board-root .words")).to_contain_text("Your path has 2 points", timeout=LONG)
    words = changes(page, words)

    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.get_by_role("heading", name="Why greedy")).to_be_visible(timeout=LONG)
    words = changes(page, words)
    page.locator(".st-key-walk-digit input[type=range]").first.press("ArrowRight")
    words = changes(page, words)

    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.get_by_role("heading", name="Digits", exact=True)).to_be_visible(timeout=LONG)
    words = changes(page, words)
    page.locator(".st-key-digit").get_by_role("radio", name="7", exact=True).click()
    words = changes(page, words)

    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.get_by_role("heading", name="Trust, but verify")).to_be_visible(timeout=LONG)
    words = changes(page, words)
    pictures = page.locator(".trials img")
    expect(pictures).to_have_count(6)
    first = pictures.first.get_attribute("src")
    page.locator(".st-key-trust-digit input[type=range]").first.press("ArrowRight")
    changes(page, words)
    assert pictures.first.get_attribute("src") != first
    assert page.get_by_test_id("stException").count() == 0


def test_a_link_opens_a_scene_and_arrow_keys_turn_it(page, address):
    page.goto(f"{address}/Learn?scene=greedy&present=true")
    expect(page.get_by_role("heading", name="Why greedy")).to_be_visible(timeout=LONG)
    settle(page)
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    page.locator("h1").first.click()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Digits", exact=True)).to_be_visible(timeout=LONG)
    expect(page).to_have_url(re.compile("scene=digits"), timeout=LONG)
    settle(page)
    page.locator("h1").first.click()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", name="Why greedy")).to_be_visible(timeout=LONG)
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "where",
    ["", "Explain", "Compare", "Metrics", *(f"Learn?scene={s}" for s in ("paths", "digits", "trust"))],
)
def test_no_serious_barrier(browser: Browser, address, where, scheme):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page.goto(f"{address}/{where}")
    expect(page.locator("h1").first).to_be_visible(timeout=LONG)
    page.wait_for_timeout(3000)
    found = Axe().run(page).response["violations"]
    page.close()
    serious = [
        f"{v['id']}: {[n['html'][:120] for n in v['nodes']]}" for v in found if v["impact"] in ("serious", "critical")
    ]
    assert not serious, "\n".join(serious)
