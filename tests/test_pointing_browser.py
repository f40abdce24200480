"""Pointing and slow motion in a real browser, from a cold session: what is said is what the files to take home hold."""

from __future__ import annotations

import base64
import io
import math
import re
import time

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from scipy.stats import rankdata, spearmanr

from samp_core.render import order_palette
from tests.serving import LONG
from tests.test_browser import barriers, download
from tests.test_stage_browser import RUN, lane, open_and_run, set_clock

SIDE = 224
SHOWN = 5  # pictures: two maps, the two directions of SAMP, the line of IG
CHOSEN = math.ceil(SIDE * SIDE / 6)
TITLES = "SAMP", "Integrated Gradients"


def short(value: float) -> str:
    """Return a magnitude as the stage says it."""
    size = abs(value)
    if size and (size >= 1e5 or size < 5e-4):
        mantissa, power = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(power):+d}"
    return f"{value:.{0 if size >= 100 else 1 if size >= 1 else 3}f}"


def signed(value: float) -> str:
    return ("-" if value < 0 else "+") + short(abs(value))


def says(text: str, value: float) -> None:
    """Hold a number as people read it to what it is of; numbers reach the browser in 16 bits and are shown rounded."""
    assert re.fullmatch(r"[+-]\d[\d.]*(e[+-]\d+)?", text), text
    size = abs(float(value))
    digit = 1 if size >= 100 else 0.1 if size >= 1 else 0.001 if size >= 5e-4 else 0.1 * size
    assert float(text) == pytest.approx(float(value), abs=digit)


class Sent:
    """What the browser says to the server."""

    def __init__(self, page: Page) -> None:
        self.count = 0
        page.on("websocket", lambda socket: socket.on("framesent", lambda _: self.add()))

    def add(self) -> None:
        self.count += 1

    def wait_until_quiet(self, page: Page) -> None:
        stop = page.locator(".plane").get_by_role("button", name="Stop")  # the ground below the paths
        deadline = time.monotonic() + LONG / 1000
        before = -1
        while before != self.count:
            assert time.monotonic() < deadline, "the browser goes on talking to the server"
            if stop.count():
                stop.click()
            before = self.count
            page.wait_for_timeout(2000)


def maps_of(page: Page) -> list[dict[str, np.ndarray]]:
    """Return what the files of both lanes hold."""
    found = []
    for title in TITLES:
        page.get_by_role("tab", name=f"{title}: figures and files").click()
        with np.load(io.BytesIO(download(page, "Map (npz)"))) as file:
            found.append(dict(file))
    return found


def show(page: Page, what: Locator) -> None:
    what.evaluate("e => e.scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(200)


def spot(box: Locator, x: float, y: float) -> tuple[float, float]:
    """Return where on the screen a point of a picture is, in pixels of the network's input."""
    place = box.bounding_box()
    return place["x"] + x / SIDE * place["width"], place["y"] + y / SIDE * place["height"]


def away(page: Page) -> None:
    page.mouse.move(2, 2)


def hover(page: Page, box: Locator, x: int, y: int) -> None:
    page.mouse.move(*spot(box, x + 0.5, y + 0.5))


def click(page: Page, box: Locator, x: int, y: int) -> None:
    page.mouse.click(*spot(box, x + 0.5, y + 0.5))


def expect_said(page: Page, maps: list[dict[str, np.ndarray]], x: int, y: int) -> None:
    """Expect each lane to say of a pixel what its file holds: credit, rank, move and the score's change in it."""
    for n in range(2):
        expect(lane(page, n).locator(".probe")).to_contain_text(f"pixel {x}, {y}:")
        said = lane(page, n).locator(".probe").inner_text()
        exact = maps[n]["map"]
        credit, rank, of = re.search(r"credit (\S+), rank ([\d,]+) of ([\d,]+)", said).groups()
        says(credit, exact[y, x])
        assert of == "50,176"
        true_rank = rankdata(-exact).reshape(exact.shape)[y, x]
        # Numbers that are all but equal may share a rank in the browser.
        assert int(rank.replace(",", "")) == pytest.approx(true_rank, abs=60)
        if n:
            assert "straight line: moves all the way" in said
            continue
        earliness = []
        for d, name in enumerate(["deletion", "insertion"]):
            move, last, change = re.search(rf"{name}: move (\d+) of (\d+), score (\S+)", said).groups()
            assert last == "6"
            earliness.append(1 - (int(move) - 1) / 5)
            says(change, maps[n]["scores"][int(move), d] - maps[n]["scores"][int(move) - 1, d])
        assert np.mean(earliness) == pytest.approx(maps[n]["order"][y, x], abs=1e-4)


def enclosed(corners: list[tuple[float, float]]) -> np.ndarray:
    """Return which pixels have their middle inside a closed line."""
    from matplotlib.path import Path

    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    return Path([*corners, corners[0]]).contains_points(np.stack([x, y], -1).reshape(-1, 2)).reshape(SIDE, SIDE)


def draw(page: Page, box: Locator, corners: list[tuple[float, float]]) -> None:
    page.mouse.move(*spot(box, *corners[0]))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*spot(box, *corner), steps=6)
    page.mouse.up()


def number(text: str) -> float:
    return float(re.search(r"-?\d[\d.,]*", text).group().replace(",", ""))


def seen(what: Locator) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(what.screenshot())).convert("RGB")).astype(float)


def canvas_pixels(canvas: Locator) -> np.ndarray:
    png = base64.b64decode(canvas.evaluate("c => c.toDataURL()").split(",")[1])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def boxes(page: Page) -> Locator:
    return page.locator(".stage .lanes .box")


def pins(page: Page) -> Locator:
    return page.locator(".stage .lanes button.pin")


Maps = list[dict[str, np.ndarray]]


def pointing(page: Page, maps: Maps) -> None:
    """A pixel is marked at the same place of every picture, and every lane says what it knows of it."""
    show(page, lane(page, 0))
    expect(boxes(page)).to_have_count(SHOWN)
    credit = maps[0]["map"]
    strongest = [int(k) for k in np.unravel_index(credit.argmax(), credit.shape)][::-1]
    rings = page.locator(".stage .lanes .ring:not([hidden])")
    for place, (x, y) in ((0, strongest), (2, (30, 201)), (4, (150, 77))):
        hover(page, boxes(page).nth(place), x, y)
        expect_said(page, maps, x, y)
        expect(rings).to_have_count(SHOWN)
        for ring in rings.all():
            at = ring.evaluate("e => [parseFloat(e.style.left), parseFloat(e.style.top)]")
            assert at == pytest.approx([100 * (x + 0.5) / SIDE, 100 * (y + 0.5) / SIDE], abs=1e-3)
    away(page)
    expect(rings).to_have_count(0)
    expect(lane(page, 0).locator(".probe")).to_contain_text("Point at a pixel")


def pinning(page: Page, maps: Maps) -> None:
    """A click pins; arrow keys move the pin that has the focus, and not the clock; the table compares all pins."""
    show(page, lane(page, 0))
    click(page, boxes(page).nth(0), 100, 60)
    click(page, boxes(page).nth(3), 40, 120)
    away(page)
    expect(pins(page)).to_have_count(2)
    expect(page.locator(".stage .lanes .pin[data-number='2']")).to_have_count(SHOWN)
    expect_said(page, maps, 40, 120)
    set_clock(page, 0.5)
    clock = page.locator(".where").inner_text()
    assert clock.startswith("50 %")
    first = pins(page).first
    first.focus()
    for key, x, y in [
        ("ArrowRight", 101, 60), ("ArrowDown", 101, 61), ("ArrowLeft", 100, 61), ("ArrowUp", 100, 60),
        ("Shift+ArrowRight", 110, 60), ("Shift+ArrowDown", 110, 70),
    ]:  # fmt: skip
        page.keyboard.press(key)
        expect(first).to_be_focused()
        expect(first).to_have_attribute("aria-label", re.compile(f"^Pin 1 at {x}, {y}:"))
        expect_said(page, maps, x, y)
        assert page.locator(".where").inner_text() == clock
    rows = page.locator("table.pins tbody tr")
    expect(rows).to_have_count(4)
    for k, row in enumerate(rows.all()):
        n, (x, y) = k % 2, ((110, 70), (40, 120))[k // 2]
        cells = row.locator("td").all_inner_texts()
        assert cells[0] == TITLES[n]
        says(cells[1], maps[n]["map"][y, x])
        assert ("straight line: moves all the way" in cells[3]) == bool(n)
    page.keyboard.press("Delete")
    expect(pins(page)).to_have_count(1)
    expect(first).to_have_attribute("aria-label", re.compile("^Pin 1 at 40, 120:"))
    expect(rows).to_have_count(2)
    assert page.locator(".where").inner_text() == clock
    set_clock(page, 1)


def drawing(page: Page, maps: Maps) -> None:
    """A region says how much of each map it holds, of each direction and of their sum."""
    corners = [(60.0, 50.0), (150.0, 40.0), (170.0, 120.0), (110.0, 90.0), (70.0, 150.0)]
    show(page, lane(page, 0))
    draw(page, boxes(page).nth(0), corners)
    rows = page.locator("table.regions tbody tr")
    expect(rows).to_have_count(2)
    expect(page.locator(".stage .lanes svg.outlines")).to_have_count(SHOWN)
    mask = enclosed(corners)
    for n, row in enumerate(rows.all()):
        cells = row.locator("td").all_inner_texts()
        assert cells[0] == TITLES[n]
        parts = [maps[n]["map"], *(maps[n]["by_direction"] if n == 0 else [])]
        shares = [100 * np.abs(part)[mask].sum() / np.abs(part).sum() for part in parts]
        told = [number(cells[1]), *(number(line.split(":")[1]) for line in cells[2].split("\n") if ":" in line)]
        assert told == pytest.approx(shares, abs=1)
        assert (cells[2] == "one direction") == bool(n)
    area = number(page.locator(".marked .under").inner_text().split(" is ")[1])
    assert area == pytest.approx(100 * mask.mean(), abs=1)


def swiping(page: Page) -> None:
    """Left of the line is the first map, right of it the second; slider and pointer move the line."""
    swipe, slider = page.locator(".swipebox"), page.locator(".swiper")
    show(page, swipe)
    away(page)

    def at(value: int) -> np.ndarray:
        slider.evaluate("(r, v) => { r.value = v; r.dispatchEvent(new Event('input')); }", value)
        return seen(swipe)

    second, both, first = at(0), at(500), at(1000)
    half = both.shape[1] // 2
    left, right = np.s_[8:-8, 8 : half - 4], np.s_[8:-8, half + 4 : -8]
    for side, here, other in ((left, first, second), (right, second, first)):
        assert np.abs(both[side] - here[side]).mean() < 1
        assert np.abs(both[side] - other[side]).mean() > 3
    page.mouse.move(*spot(swipe, 0.2 * SIDE, 100))
    page.mouse.down()
    page.mouse.move(*spot(swipe, 0.3 * SIDE, 100), steps=4)
    page.mouse.up()
    assert int(slider.input_value()) == pytest.approx(300, abs=5)


def ranking(page: Page, maps: Maps) -> None:
    """The difference of ranks says how alike the two maps rank, and paints who ranks a pixel higher."""
    swipe = page.locator(".swipebox")
    before = seen(swipe)
    page.locator("select.kind").select_option("ranks")
    note = page.locator(".overnote")
    expect(note).to_contain_text("Spearman correlation")
    told = float(re.search(r"maps: (-?\d\.\d\d)", note.inner_text()).group(1))
    exact = [each["map"].ravel() for each in maps]
    assert told == pytest.approx(spearmanr(*exact).statistic, abs=0.01)
    expect(page.locator(".swiper")).to_be_hidden()
    assert np.abs(seen(swipe) - before).mean() > 3
    colours = canvas_pixels(page.locator(".swipebox canvas").first).reshape(-1, 3)
    ranks = [rankdata(-each) for each in exact]
    # The lanes' colours are violet and teal: the one has more blue than green, the other less.
    far = np.abs(ranks[0] - ranks[1]) > 0.3 * SIDE * SIDE
    assert far.sum() > 100
    assert ((colours[far, 2] > colours[far, 1]) == (ranks[0] < ranks[1])[far]).mean() > 0.999


def test_what_is_pointed_at_is_compared_in_all_lanes_without_asking_the_server(page, address):
    sent = Sent(page)
    open_and_run(page, address, *RUN, network="")
    maps = maps_of(page)
    sent.wait_until_quiet(page)
    before = sent.count
    assert before > 0
    pointing(page, maps)
    pinning(page, maps)
    drawing(page, maps)
    swiping(page)
    ranking(page, maps)
    page.wait_for_timeout(1500)
    assert sent.count == before, "pointing asks the server for nothing"

    # All of it at once can be read by everybody.
    page.get_by_role("button", name="Slow motion").click()
    expect(page.locator(".unfold .card.now")).to_be_visible()
    expect(page.locator(".marked table")).to_have_count(2)
    assert not barriers(page)
    # Marks go when they are cleared, and a keyboard alone can make new ones.
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".stage .lanes :is(.pin, .outlines)")).to_have_count(0)
    expect(page.locator(".marked table")).to_have_count(0)
    page.get_by_role("button", name="Pin", exact=True).focus()
    page.keyboard.press("Enter")
    expect(pins(page)).to_have_count(1)
    expect(pins(page).first).to_be_focused()
    page.keyboard.press("Backspace")
    expect(pins(page)).to_have_count(0)


def card(page: Page) -> Locator:
    return page.locator(".unfold .card.now")


def expect_card(page: Page, move: int, title: str, of: str = "SAMP") -> None:
    expect(page.locator(".slowtitle")).to_have_text(f"Move {move} of {of}")
    expect(card(page).locator("h4")).to_have_text(title)


CARDS = "Gradient", "Gradient times way", "The pixels chosen", "The constraint", "The move and its credit"
GRADIENT, TIMES_WAY, CHOICE, CONSTRAINT, CREDIT = (f"{k}. {title}" for k, title in enumerate(CARDS, 1))


def unfolding(page: Page, scores: np.ndarray) -> None:
    """Slow motion begins with the first move, and goes on card by card, then move by move."""
    page.get_by_role("button", name="Slow motion").click()
    expect_card(page, 1, GRADIENT)
    expect(card(page).locator(".number")).to_have_text(f"score {short(scores[0, 0])}")
    expect(card(page).locator("canvas")).to_be_visible()
    page.locator(".stage").focus()
    for title in (TIMES_WAY, CHOICE, CONSTRAINT, CREDIT):
        expect(page.get_by_text(title).locator("..")).to_have_class(re.compile("waits"))
        page.keyboard.press("ArrowRight")
        expect_card(page, 1, title)
        if title == CHOICE:
            expect(card(page).locator(".number")).to_have_text(f"{CHOSEN:,} pixels")
            expect(card(page).locator("code")).to_have_text("smallest d · (end − x)")
            expect(card(page)).to_contain_text("most negative")
        if title == CONSTRAINT:
            expect(card(page)).to_contain_text("no constraint")
    number_said = card(page).locator(".number").inner_text()
    predicted, measured = re.fullmatch(r"(\S+) predicted, (\S+) measured", number_said).groups()
    says(measured, scores[1, 0] - scores[0, 0])
    assert float(predicted) < 0, "a deletion takes what should lower the score most"
    page.keyboard.press("ArrowRight")
    expect_card(page, 2, GRADIENT)
    page.keyboard.press("ArrowLeft")
    expect_card(page, 1, CREDIT)
    page.keyboard.press("ArrowLeft")
    expect_card(page, 1, CONSTRAINT)
    page.get_by_role("button", name="Next move").click()
    expect_card(page, 2, GRADIENT)
    page.locator(".sides").get_by_role("button", name="Insertion").click()
    expect_card(page, 2, GRADIENT)
    expect(card(page).locator(".number")).to_have_text(f"score {short(scores[1, 1])}")


def ending(page: Page) -> None:
    """The last move is unfolded once, and its last card is the end."""
    page.locator(".stage").focus()
    for _ in range(4):
        page.get_by_role("button", name="Next move").click()
    page.locator(".stage").focus()
    visited = []
    for _ in range(9):
        visited.append(card(page).locator("h4").inner_text())
        expect(page.locator(".slowtitle")).to_have_text("Move 6 of SAMP")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    assert list(dict.fromkeys(visited)) == visited[:5] == [GRADIENT, TIMES_WAY, CHOICE, CONSTRAINT, CREDIT]
    assert set(visited[5:]) == {CREDIT}
    page.keyboard.press("ArrowLeft")
    expect_card(page, 6, CONSTRAINT)


# What the first lane shows: its map, its images, and which pixels just moved.
OF_LANE = """(lane) => {
  return [lane.querySelector("canvas.map").toDataURL(), ...[...lane.querySelectorAll(".pane")].flatMap((pane) =>
    [pane.querySelector("img").src, pane.querySelector(".moved").style.maskImage])];
}"""


def guessing(page: Page) -> None:
    """A guess comes first: the cards stay hidden until it is answered."""
    after = lane(page, 0).evaluate(OF_LANE)
    page.locator(".predict").check()
    kept = lane(page, 0).evaluate(OF_LANE)
    assert all(a != b for a, b in zip(after, kept, strict=True)), "the lane gives away which pixels go"
    expect(card(page)).to_have_count(0)
    expect(page.locator(".card.waits")).to_have_count(5)
    answer, verdict = page.get_by_role("button", name="Show the answer"), page.locator(".verdict")
    expect(answer).to_be_disabled()
    expect(verdict).to_contain_text("Which 8,3")
    page.locator(".stage").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".card.waits")).to_have_count(5)
    expect(page.locator(".slowtitle")).to_have_text("Move 6 of SAMP")
    # Some strokes, and the answer: how much of them the search took.
    box = page.locator(".guessbox")
    show(page, box)
    for y in (60, 90, 120):
        draw(page, box, [(50.0, y), (170.0, y)])
    marked = number(re.search(r"Marked: ([\d,]+)", verdict.inner_text()).group(1))
    # Three strokes 120 long and 18 wide, with round ends.
    assert marked == pytest.approx(3 * (120 * 18 + math.pi * 81), rel=0.05)
    answer.click()
    expect(verdict).to_contain_text("are among the")
    assert lane(page, 0).evaluate(OF_LANE) == after
    told = re.fullmatch(
        r"You marked ([\d,]+) pixels; ([\d.]+) % of them are among the ([\d,]+) that the search took\. "
        r"A blind guess would find ([\d.]+) %\.",
        verdict.inner_text(),
    )
    assert number(told[1]) == marked
    assert number(told[4]) == pytest.approx(100 * number(told[3]) / SIDE**2, abs=0.6)
    mask, chosen = page.evaluate(
        """async () => {
             const view = sampStage.view, { move } = view.unfolded();
             return [[...view.slow.mask], [...(await levels(move.chosen))]];
             async function levels(uri) {
               const image = new Image(); image.src = uri; await image.decode();
               const canvas = document.createElement("canvas"); canvas.width = canvas.height = 224;
               const context = canvas.getContext("2d"); context.drawImage(image, 0, 0);
               return context.getImageData(0, 0, 224, 224).data.filter((_, k) => k % 4 === 3);
             } }"""
    )
    hits = (np.array(mask) > 0) & (np.array(chosen) > 0)
    assert (np.array(chosen) > 0).sum() == number(told[3])
    assert number(told[2]) == pytest.approx(100 * hits.sum() / marked, abs=0.6)
    expect_card(page, 6, CONSTRAINT)
    expect(box.locator(".moved")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect_card(page, 6, CHOICE)


def line(page: Page) -> None:
    """A line chooses nothing, so there is nothing to guess and nothing is hidden."""
    assert page.locator(".predict").is_checked()
    lane(page, 1).locator("button.take").click()
    expect(page.locator(".slowtitle")).to_have_text(re.compile(r"Move \d of Integrated Gradients"))
    expect(page.locator(".guess")).to_be_hidden()
    expect(page.locator(".unfold .card")).to_have_count(3)
    expect(card(page).locator("h4")).to_have_text("3. The move and its credit")
    expect(page.get_by_role("button", name="Next move")).to_be_enabled()
    page.locator(".stage").focus()
    page.keyboard.press("ArrowLeft")
    expect(card(page).locator("h4")).to_have_text(TIMES_WAY)


def ordering(page: Page, maps: Maps) -> None:
    """By order, what moved first and last have the two ends of the colours; a line has no order."""
    page.get_by_role("radio", name="Order").click()
    expect(lane(page, 0).locator(".scale")).to_contain_text("first")
    expect(lane(page, 1).locator(".scale")).to_contain_text("there is no order")
    page.locator("input.opacity").evaluate("r => { r.value = 1; r.dispatchEvent(new Event('input')); }")

    def painted(n: int) -> np.ndarray:
        return canvas_pixels(lane(page, n).locator("canvas.map"))

    colours = painted(0)
    palette = order_palette().astype(int)
    expected = palette[np.round(255 * (1 - maps[0]["order"])).astype(int)]
    assert np.abs(colours - expected).max() <= 8, "a colour number apart at most"
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) >= 6
    assert len(np.unique(painted(1).reshape(-1, 3), axis=0)) == 1
    # What has not moved yet is bare.
    set_clock(page, 0.3)
    page.wait_for_timeout(200)
    bare = (painted(0) == painted(1)).all(-1)
    assert 0.2 < bare.mean() < 0.95
    assert maps[0]["order"][~bare].mean() > maps[0]["order"][bare].mean()
    set_clock(page, 1)
    page.get_by_role("radio", name="Signed").click()


def smoothing(page: Page) -> None:
    """Smoothing repaints the maps, and after a while says how steady each is at that scale."""
    canvas = lane(page, 0).locator("canvas.map")
    rough = canvas.evaluate("c => c.toDataURL()")
    steady = lane(page, 0).locator(".steady")
    expect(steady).to_be_hidden()
    page.locator("input.smooth").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".smoothness")).to_have_text("4 px")
    assert canvas.evaluate("c => c.toDataURL()") != rough
    for n in range(2):
        expect(lane(page, n).locator(".steady")).to_have_text(
            re.compile(r"^Stability at 4 px: -?\d\.\d\d$"), timeout=LONG
        )
        told = number(lane(page, n).locator(".steady").inner_text().split(":")[1])
        assert 0.2 < told <= 1
    page.keyboard.press("Home")
    expect(page.locator(".smoothness")).to_have_text("0 px")
    expect(steady).to_be_hidden()
    assert canvas.evaluate("c => c.toDataURL()") == rough


@pytest.fixture
def dark_page(page):
    page.emulate_media(color_scheme="dark")
    return page


def test_a_move_is_unfolded_and_guessed_and_maps_are_seen_by_order_and_smoothed(dark_page, address):
    page = dark_page
    open_and_run(page, address, *RUN, network="")
    maps = maps_of(page)
    ordering(page, maps)
    smoothing(page)
    unfolding(page, maps[0]["scores"])
    ending(page)
    guessing(page)
    show(page, lane(page, 0))
    click(page, boxes(page).nth(1), 50, 50)
    draw(page, boxes(page).nth(3), [(20.0, 20.0), (90.0, 20.0), (60.0, 90.0)])
    expect(page.locator(".marked table")).to_have_count(2)
    assert page.locator(".stage").evaluate("e => e.classList.contains('dark')")
    assert not barriers(page)
    line(page)


def test_on_a_phone_pins_and_slow_motion_stay_within_the_page(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(LONG)
    open_and_run(page, address, *RUN, network="")

    def fits() -> bool:
        return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1")

    show(page, boxes(page).first)
    page.touchscreen.tap(*spot(boxes(page).first, 80, 90))
    expect(pins(page)).to_have_count(1)
    expect(pins(page)).to_have_attribute("aria-label", re.compile("^Pin 1 at (79|80|81), (89|90|91):"))
    page.get_by_role("button", name="Slow motion").tap()
    expect(page.locator(".slowtitle")).to_have_text("Move 1 of SAMP")
    for _ in range(4):
        page.get_by_role("button", name="Next", exact=True).tap()
    expect_card(page, 1, CREDIT)
    expect(page.locator(".card:visible")).to_have_count(5)
    page.locator(".predict").check()
    expect(page.get_by_role("button", name="Next move")).to_be_disabled()
    expect(page.locator("table.pins")).to_be_visible()
    assert fits()
    # What is wider than the page scrolls by itself, and everything is on the page.
    for part in (".slow", ".guess", ".marked", ".swipebox", ".transport"):
        place = page.locator(part).first.bounding_box()
        assert place["x"] >= 0, part
        assert place["x"] + place["width"] <= 391, part
    expect(page.get_by_test_id("stException")).to_have_count(0)
    context.close()
