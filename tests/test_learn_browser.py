"""Learn in a real browser: five scenes, each played with; and every page checked for accessibility."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.serving import LONG
from tests.test_browser import barriers, browser, page, pytestmark  # noqa: F401
from ui.learn.lesson import SCENES


def seen(page: Page) -> str:
    """Return what "What you just saw" says."""
    heading = page.get_by_role("heading", name="What you just saw")
    expect(heading).to_be_visible(timeout=LONG)
    return heading.locator("xpath=ancestor::*[@data-testid='stMarkdown'][1]").inner_text()


def settle(page: Page) -> None:
    """Wait until the script is done and what it drew is there."""
    page.wait_for_timeout(250)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=LONG)
    expect(page.locator(".keys-root")).to_be_attached(timeout=LONG)
    page.wait_for_timeout(250)


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
    page.get_by_role("button", name="It turns too early").click()
    words = changes(page, words)
    assert "turns as soon as" in words
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


FRAME = """() => {
  const frame = getComputedStyle(document.querySelector("[data-testid=stMain]"), "::before");
  return { shadow: frame.boxShadow, top: frame.top };
}"""


def test_a_link_opens_a_scene_and_arrow_keys_turn_it(page, address):
    def press(key: str, scene: str) -> None:
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=scene, level=1)).to_be_visible(timeout=LONG)
        settle(page)

    page.goto(f"{address}/Learn?scene=greedy&present=true")
    expect(page.get_by_role("heading", name="Why greedy")).to_be_visible(timeout=LONG)
    settle(page)
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    page.locator("h1").first.click()
    press("ArrowRight", "Digits")
    expect(page).to_have_url(re.compile("scene=digits"), timeout=LONG)
    assert page.locator("main:focus-visible").count() == 1
    assert page.evaluate(FRAME)["shadow"] == "none"  # it would cut through the title
    press("ArrowLeft", "Why greedy")
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()

    # Right after a click on a tab, or on Present.
    page.get_by_role("radio", name="2. Which path").click()
    expect(page.get_by_role("heading", name="Which path should we prefer?", level=1)).to_be_visible(timeout=LONG)
    press("ArrowRight", "Why greedy")
    press("PageDown", "Digits")
    page.get_by_role("switch", name="Present").press("Space")
    expect(page.get_by_test_id("stSidebar")).to_be_visible(timeout=LONG)
    press("ArrowRight", "Trust, but verify")
    press("ArrowRight", "Trust, but verify")  # the last one stays
    press("ArrowLeft", "Digits")
    # What uses the keys keeps them.
    page.locator(".st-key-digit-momentum input[type=range]").focus()
    press("ArrowRight", "Digits")
    page.locator("h1").first.click()
    page.keyboard.press("Shift")
    assert page.locator("main:focus-visible").count() == 1
    assert page.evaluate(FRAME)["top"] == "0px"  # around the whole page


def test_a_scene_whose_knobs_are_in_the_link_leads_to_a_photo(page, address):
    page.goto(f"{address}/Learn?scene=digits&digit=5&digit-ic=1/20")
    seen(page)
    settle(page)
    page.locator(".st-key-digit-momentum input[type=range]").press("ArrowRight")
    expect(page).to_have_url(re.compile("digit-momentum=0.6"), timeout=LONG)
    settle(page)
    page.get_by_role("button", name="Try it on a photo").click()
    expect(page.get_by_role("heading", name="Explain", level=1)).to_be_visible(timeout=LONG)
    expect(page).to_have_url(re.compile(r"/Explain\?lanes=[^&]*$"), timeout=LONG)  # and nothing of the lesson's
    knobs = page.locator(".st-key-knobs-0")
    for knob, words in (("momentum", "0.60"), ("ic", "1/20"), ("steps", "78")):
        expect(knobs.locator(f"[class*='st-key-lane'][class*='-{knob}']")).to_contain_text(words, timeout=LONG)
    page.get_by_test_id("stSidebar").get_by_role("link", name="Learn").click()
    expect(page.get_by_role("heading", name="Digits", level=1)).to_be_visible(timeout=LONG)
    expect(page.locator(".st-key-digit-momentum")).to_contain_text("0.60", timeout=LONG)


def test_a_drawing_opens_from_a_link(page, address):
    page.goto(f"{address}/Learn?scene=digits&digit=draw")
    sheet = page.locator(".sheet")
    expect(sheet).to_be_visible(timeout=LONG)
    settle(page)
    box = sheet.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.15 * box["height"])
    page.mouse.down()
    for part in range(1, 15):
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + (0.15 + 0.05 * part) * box["height"])
    page.mouse.up()
    read_as = page.locator(".digits-row.maps figcaption").first
    expect(read_as).to_contain_text("read as 1", timeout=LONG)
    expect(page).to_have_url(re.compile("ink="), timeout=LONG)
    settle(page)
    digit = page.locator(".digits-row.maps img").first
    shown = digit.get_attribute("src")
    other = page.context.browser.new_page()
    other.goto(page.url)
    expect(other.locator(".digits-row.maps figcaption").first).to_contain_text("read as 1", timeout=LONG)
    assert other.locator(".digits-row.maps img").first.get_attribute("src") == shown
    other.close()

    # On to a photo and back again: by the browser's button, and by the sidebar.
    page.get_by_role("button", name="Try it on a photo").click()
    expect(page.get_by_role("heading", name="Explain", level=1)).to_be_visible(timeout=LONG)
    page.go_back()
    expect(page.get_by_role("heading", name="Digits", level=1)).to_be_visible(timeout=LONG)
    expect(read_as).to_contain_text("read as 1", timeout=LONG)
    assert digit.get_attribute("src") == shown
    expect(page).to_have_url(re.compile("digit=draw.*ink="), timeout=LONG)
    page.get_by_test_id("stSidebar").get_by_role("link", name="Home").click()
    expect(page.get_by_role("button", name="Start the lesson")).to_be_visible(timeout=LONG)
    page.get_by_test_id("stSidebar").get_by_role("link", name="Learn").click()
    expect(read_as).to_contain_text("read as 1", timeout=LONG)
    assert digit.get_attribute("src") == shown


# Everything that moves by itself, in the shadow trees of the app's own components as well.
MOVING = """() => {
  const inner = (root) => [...root.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean);
  const trees = (root) => [root, ...inner(root).flatMap(trees)];
  return trees(document).flatMap((tree) => tree.getAnimations())
    .filter((a) => a.playState === "running" && a.effect.getTiming().iterations === Infinity)
    .map((a) => `${a.animationName} of ${a.effect.target.className}`);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_barrier_on_any_page(browser: Browser, address, scheme):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    found = []
    for where in ("", "Explain", "Compare", "Metrics", *(f"Learn?scene={scene.slug}" for scene in SCENES)):
        page.goto(f"{address}/{where}")
        expect(page.locator("h1").first).to_be_visible(timeout=LONG)
        page.wait_for_timeout(400)
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=LONG)
        page.wait_for_timeout(400)
        found += [f"{where or 'Home'}: {barrier}" for barrier in barriers(page)]
        found += [f"{where or 'Home'}: moves: {what}" for what in page.evaluate(MOVING)]
    page.close()
    assert not found, "\n".join(found)


def test_nothing_moves_by_itself_while_maps_grow(browser: Browser, address):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page.goto(f"{address}/Compare")
    page.get_by_role("button", name="Run", exact=True).click(timeout=LONG)
    running = page.locator(".card.running").first
    expect(running).to_be_visible(timeout=LONG)
    assert page.evaluate(MOVING) == []
    # So that the look is a look: it finds what does move, in the shadow tree of the cards.
    running.evaluate("e => e.animate([{opacity: 1}, {opacity: 0.5}], {duration: 900, iterations: Infinity})")
    assert [what for what in page.evaluate(MOVING) if "card" in what]
    page.get_by_role("button", name="Cancel all", exact=True).click(timeout=LONG)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=LONG)
    page.close()
