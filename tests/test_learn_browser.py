"""Learn in a real browser: its scenes, each played with; and every page checked for accessibility."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.serving import LONG, quiet, visit
from tests.test_browser import barriers
from ui.learn.lesson import SCENES


def reveal(page: Page) -> None:
    """Ask to be shown the answer, and wait for it."""
    page.get_by_role("button", name="Show me", exact=True).click()
    expect(page.get_by_role("button", name="Ask again", exact=True)).to_be_visible()
    settle(page)


def seen(page: Page) -> str:
    """Return what "What you just saw" says."""
    heading = page.get_by_role("heading", name="What you just saw")
    expect(heading).to_be_visible()
    return heading.locator("xpath=ancestor::*[@data-testid='stMarkdown'][1]").inner_text()


def settle(page: Page) -> None:
    """Wait until the script is done and what it drew is there."""
    expect(page.locator(".keys-root")).to_be_attached()
    quiet(page)


def changes(page: Page, before: str) -> str:
    """Wait until the words are others than before, and return them."""
    for _ in range(60):
        settle(page)
        if (now := seen(page)) != before:
            return now
    raise AssertionError("nothing changed")


def test_five_scenes_played_with(page, address):
    page.goto(f"{address}/Learn")
    reveal(page)
    words = seen(page)
    board = page.locator(".board-root svg")
    expect(board.locator("image")).to_have_attribute("href", re.compile("^data:image/png"))
    area = board.bounding_box()
    page.mouse.click(area["x"] + 0.75 * area["width"], area["y"] + 0.75 * area["height"])
    expect(page.locator(".board-root .words")).to_contain_text("Your path has 1 point")
    expect(page).to_have_url(re.compile("path="))
    page.locator(".st-key-toy-steps input[type=range]").first.press("Home")
    words = changes(page, words)

    def turn(title: str) -> str:
        page.get_by_role("button", name="Next", exact=True).click()
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        settle(page)
        expect(page.get_by_role("heading", name="What you just saw")).to_have_count(0)
        reveal(page)
        return seen(page)

    words = turn("Which path should we prefer?")
    assert "Your path has" in words  # it came along
    page.get_by_role("button", name="Both are needed").click()
    expect(page.get_by_role("heading", name="What you just saw")).to_have_count(0)
    page.get_by_role("radio", name="Far from it").click()
    expect(page.get_by_text("fits what is computed")).to_be_visible()
    settle(page)
    words = seen(page)
    assert "turns as soon as" in words
    board.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".board-root .words")).to_contain_text("Your path has 2 points")
    words = changes(page, words)

    words = turn("Why greedy")
    page.locator(".st-key-walk-digit input[type=range]").first.press("ArrowRight")
    words = changes(page, words)

    words = turn("Digits")
    page.locator(".st-key-digit").get_by_role("radio", name="7", exact=True).click()
    words = changes(page, words)

    words = turn("Trust, but verify")
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
        expect(page.get_by_role("heading", name=scene, level=1)).to_be_visible()
        settle(page)

    page.goto(f"{address}/Learn?scene=greedy&present=true")
    expect(page.get_by_role("heading", name="Why greedy")).to_be_visible()
    settle(page)
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    page.locator("h1").first.click()
    press("ArrowRight", "Digits")
    expect(page).to_have_url(re.compile("scene=digits"))
    assert page.locator("main:focus-visible").count() == 1
    assert page.evaluate(FRAME)["shadow"] == "none"  # it would cut through the title
    press("ArrowLeft", "Why greedy")
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()

    # Right after a click on a tab, or on Present.
    page.get_by_role("radio", name="2.", exact=True).click()
    expect(page.get_by_role("heading", name="Which path should we prefer?", level=1)).to_be_visible()
    press("ArrowRight", "Why greedy")
    press("PageDown", "Digits")
    page.get_by_role("switch", name="Present").press("Space")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    place = [scene.slug for scene in SCENES].index("digits")
    for scene in SCENES[place + 1 :]:
        press("ArrowRight", scene.title)
    press("ArrowRight", SCENES[-1].title)  # the last one stays
    for scene in SCENES[-2 : place - 1 : -1]:
        press("ArrowLeft", scene.title)
    # What uses the keys keeps them.
    page.locator(".st-key-digit-momentum input[type=range]").focus()
    press("ArrowRight", "Digits")
    page.locator("h1").first.click()
    page.keyboard.press("Shift")
    assert page.locator("main:focus-visible").count() == 1
    assert page.evaluate(FRAME)["top"] == "0px"  # around the whole page


def test_a_scene_whose_knobs_are_in_the_link_leads_to_a_photo(page, address):
    page.goto(f"{address}/Learn?scene=digits&digit=5&digit-ic=1/20")
    expect(page.get_by_text("read as 5")).to_be_visible()
    settle(page)
    page.locator(".st-key-digit-momentum input[type=range]").press("ArrowRight")
    expect(page).to_have_url(re.compile("digit-momentum=0.6"))
    settle(page)
    page.get_by_role("button", name="Try it on a photo").click()
    expect(page.get_by_role("heading", name="Explain", level=1)).to_be_visible()
    expect(page).to_have_url(re.compile(r"/Explain\?lanes=[^&]*$"))  # and nothing of the lesson's
    knobs = page.locator(".st-key-knobs-0")
    for knob, words in (("momentum", "0.60"), ("ic", "1/20"), ("steps", "78")):
        expect(knobs.locator(f"[class*='st-key-lane'][class*='-{knob}']")).to_contain_text(words)
    page.get_by_test_id("stSidebar").get_by_role("link", name="Learn").click()
    expect(page.get_by_role("heading", name="Digits", level=1)).to_be_visible()
    expect(page.locator(".st-key-digit-momentum")).to_contain_text("0.60")


def test_a_drawing_opens_from_a_link(page, browser, address):
    page.goto(f"{address}/Learn?scene=digits&digit=draw")
    sheet = page.locator(".sheet")
    expect(sheet).to_be_visible()
    settle(page)
    box = sheet.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.15 * box["height"])
    page.mouse.down()
    for part in range(1, 15):
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + (0.15 + 0.05 * part) * box["height"])
    page.mouse.up()
    read_as = page.locator(".digits-row.maps figcaption").first
    expect(read_as).to_contain_text("read as 1")
    expect(page).to_have_url(re.compile("ink="))
    settle(page)
    digit = page.locator(".digits-row.maps img").first
    shown = digit.get_attribute("src")
    with visit(browser, page.url) as other:
        expect(other.locator(".digits-row.maps figcaption").first).to_contain_text("read as 1")
        assert other.locator(".digits-row.maps img").first.get_attribute("src") == shown

    # On to a photo and back again: by the browser's button, and by the sidebar.
    page.get_by_role("button", name="Try it on a photo").click()
    expect(page.get_by_role("heading", name="Explain", level=1)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Digits", level=1)).to_be_visible()
    expect(read_as).to_contain_text("read as 1")
    assert digit.get_attribute("src") == shown
    expect(page).to_have_url(re.compile("digit=draw.*ink="))
    page.get_by_test_id("stSidebar").get_by_role("link", name="Home").click()
    expect(page.get_by_role("button", name="Start the lesson")).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Learn").click()
    expect(read_as).to_contain_text("read as 1")
    assert digit.get_attribute("src") == shown


SIZES = {"normal": (1920, 1080, ""), "presented": (1280, 720, "&present=true")}
# Words and plots that run over the edge of what holds them, or over the window.
ROOM = """() => {
  const main = document.querySelector("[data-testid=stMain]");
  const foot = document.querySelector(".st-key-scene-foot").getBoundingClientRect();
  const held = ".st-key-scene-body [data-testid=stElementContainer], .trials, .digits-row";
  const shown = [...document.querySelectorAll(held)]
    .map((e) => e.getBoundingClientRect()).filter((box) => box.width);
  return {
    needed: main.scrollHeight, there: main.clientHeight, wide: main.scrollWidth - main.clientWidth,
    gap: foot.top - Math.max(...shown.map((box) => box.bottom)),
    letters: parseFloat(getComputedStyle(document.documentElement).fontSize),
  };
}"""


def check_room(page: Page, size: str) -> None:
    """Assert that what is shown needs no scrolling, and that nothing lies over the buttons below it; at rest."""
    room = page.evaluate(ROOM)
    assert room["needed"] <= room["there"], room
    assert room["wide"] <= 0, room
    assert room["gap"] >= 0, room
    assert room["letters"] == (20 if size == "presented" else 15)


@pytest.mark.parametrize("size", SIZES)
def test_no_scene_needs_scrolling(page: Page, address, size):
    width, height, present = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{address}/Learn?scene={SCENES[0].slug}{present}")
    for scene in SCENES:
        expect(page.get_by_role("heading", name=scene.title, level=1)).to_be_visible()
        settle(page)
        check_scene(page, scene.slug, size)
        if scene is not SCENES[-1]:
            page.get_by_role("button", name="Next", exact=True).click()
    for slug in ("paths", "prefer"):  # with a path of the reader's own that needs many words
        page.goto(f"{address}/Learn?scene={slug}&path=[[0.9,0.9],[0.1,0.2]]{present}")
        reveal(page)
        check_room(page, size)


def check_scene(page: Page, scene: str, size: str) -> None:
    """Look at a scene before and after its answer, and with everything that it can show."""
    expect(page.get_by_role("button", name="Show me", exact=True)).to_be_visible()
    check_room(page, size)  # who calls has waited
    reveal(page)
    check_room(page, size)
    if scene == "prefer":
        for case in ("Both are needed", "A trained network"):
            page.get_by_role("button", name=case).click()
            reveal(page)
            check_room(page, size)
    views = page.locator("[class*=-view-room], [class*=st-key-digit-view]").get_by_role("radio")
    expected = {
        ("digits", "normal"): 2,
        ("digits", "presented"): 4,
        ("trust", "presented"): 2,
        ("code", "presented"): 2,
    }
    assert views.count() == expected.get((scene, size), 0)
    for view in views.all():
        view.click()
        settle(page)
        check_room(page, size)
    if scene == "digits":
        page.locator(".st-key-digit").get_by_role("radio", name="draw", exact=True).click()
        expect(page.locator(".sheet")).to_be_visible()
        settle(page)
        check_room(page, size)


def test_a_question_hides_and_shows(page, address):
    page.goto(f"{address}/Learn?scene=prefer")
    expect(page.get_by_role("button", name="Show me", exact=True)).to_be_visible()
    settle(page)
    wide = page.locator(".board-root polyline.wide:not(.halo)")
    expect(wide).to_have_count(0)  # SAMP's
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(0)
    page.get_by_role("radio", name="Yes, the best").click()
    expect(page.get_by_text("Yes, the best fits what is computed")).to_be_visible()
    expect(wide).to_have_attribute("stroke", "#6d1fd0")
    expect(page.get_by_test_id("stPlotlyChart")).to_be_visible()
    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.get_by_role("heading", name="Why greedy")).to_be_visible()
    page.get_by_role("button", name="Back", exact=True).click()
    expect(page.get_by_text("Yes, the best fits what is computed")).to_be_visible()
    page.get_by_role("button", name="Ask again", exact=True).click()
    expect(page.get_by_role("button", name="Show me", exact=True)).to_be_visible()
    expect(wide).to_have_count(0)


def test_notes_are_in_the_teacher_s_view_alone(page, address):
    page.goto(f"{address}/Learn?scene=prefer")
    notes = page.get_by_role("button", name="Teacher's notes")
    text = page.get_by_text("Usual misunderstanding")
    expect(notes).to_be_visible()
    settle(page)
    expect(text).to_have_count(0)
    notes.click()
    expect(text).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("switch", name="Present").press("Space")
    expect(notes).to_have_count(0)
    expect(page.get_by_role("button", name="Settings")).to_be_visible()
    expect(text).to_have_count(0)


def test_paths_have_the_lanes_colours_in_the_dark(page: Page, address):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/Learn?scene=prefer")
    reveal(page)
    expect(page.locator(".board-root polyline.wide:not(.halo)")).to_have_attribute("stroke", "#b98cf7")
    bars = page.get_by_test_id("stPlotlyChart").locator(".barlayer .point path")
    expect(bars.first).to_be_attached()
    fills = bars.evaluate_all("paths => paths.map((path) => getComputedStyle(path).fill)")
    assert "rgb(185, 140, 247)" in fills
    assert "rgb(45, 212, 191)" in fills


# Everything that moves by itself, in the shadow trees of the app's own components as well.
MOVING = """() => {
  const inner = (root) => [...root.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean);
  const trees = (root) => [root, ...inner(root).flatMap(trees)];
  return trees(document).flatMap((tree) => tree.getAnimations())
    .filter((a) => a.playState === "running" && a.effect.getTiming().iterations === Infinity)
    .map((a) => `${a.animationName} of ${a.effect.target.className}`);
}"""


def test_no_serious_barrier_on_any_page(page: Page, address):
    found = []

    def look(where: str) -> None:
        paper = set()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            # What the colours do not touch was asked in the light.
            asked = () if scheme == "light" else ("color-contrast",)
            found.extend(f"{where}, {scheme}: {barrier}" for barrier in barriers(page, asked))
            paper.add(page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"))
        assert len(paper) == 2, "the dark page is the light one"
        page.emulate_media(color_scheme="light")

    page.goto(address)
    for name in ("Home", "Explain", "Compare", "Metrics", "Tune", "Library", *(scene.slug for scene in SCENES)):
        if name == SCENES[0].slug:
            page.get_by_test_id("stSidebar").get_by_role("link", name="Learn", exact=True).click()
        elif name in [scene.slug for scene in SCENES]:
            page.get_by_role("button", name="Next", exact=True).click()
        elif name != "Home":
            page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()
        title = next((scene.title for scene in SCENES if scene.slug == name), name)
        heading = page.locator("h1").first if name == "Home" else page.get_by_role("heading", name=title, level=1)
        expect(heading).to_be_visible()
        quiet(page, 300)
        if name == SCENES[0].slug:
            look(f"{name}, asked")  # as all of them are
        if name in [scene.slug for scene in SCENES]:
            reveal(page)
        look(name)
        found += [f"{name}: moves: {what}" for what in page.evaluate(MOVING)]
    assert not found, "\n".join(found)


def test_nothing_moves_by_itself_while_maps_grow(page: Page, address):
    page.goto(f"{address}/Compare")
    page.get_by_role("button", name="Run", exact=True).click(timeout=LONG)
    running = page.locator(".card.running").first
    expect(running).to_be_visible()
    assert page.evaluate(MOVING) == []
    # So that the look is a look: it finds what does move, in the shadow tree of the cards.
    # In one go, and once more if the card was drawn anew before that.
    endless = "e.animate([{opacity: 1}, {opacity: 0.5}], {duration: 900, iterations: Infinity})"
    looks = (running.evaluate(f"e => {{ {endless}; return ({MOVING})(); }}") for _ in range(5))
    assert any("card" in what for found in looks for what in found)
    page.get_by_role("button", name="Cancel all", exact=True).click(timeout=LONG)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
