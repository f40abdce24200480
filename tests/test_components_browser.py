"""The components by themselves in a real browser: their script is given what the pages send, without a server."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from samp_core.compare import SCALES, scaled
from samp_core.films import data_uri, kit
from samp_core.render import colour, palette
from tests.serving import ROOT

Update = Callable[[dict[str, Any]], None]


@pytest.fixture
def page(browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    yield page
    page.close()


def mount(page: Page) -> Update:
    """Put the grid on an empty page; returns what sends it a message. What is asked for is in ``window.triggered``."""
    folder = ROOT / "ui" / "components" / "grid"
    parts = {ending: (folder / f"{folder.name}.{ending}").read_text() for ending in ("html", "css", "js")}
    page.set_content(f"<style>{parts['css']}</style><main>{parts['html']}</main>")
    module = "data:text/javascript;base64," + base64.b64encode((kit() + parts["js"]).encode()).decode()
    page.evaluate(
        """async (url) => { (await import(url)).default({ parentElement: document.querySelector("main") });
             window.triggered = []; window.told = []; }""",
        module,
    )

    def update(data: dict[str, Any]) -> None:
        page.evaluate(
            """(data) => sampGrid.view.update(data, (name, value) => told.push([name, value]),
                 (name, { key, what }) => triggered.push([key, what]))""",
            data,
        )

    return update


def listening(page: Page) -> Update:
    """Put the feed on an empty page, with a view that notes what it hears and a wire that answers by hand.

    Returns what sends it a message of the script. ``answer(news)`` answers the oldest question; the epochs that were
    asked in are in ``asked``, what was heard in ``heard``.
    """
    script = (ROOT / "ui" / "components" / "feed" / "feed.js").read_text()
    page.set_content("<main></main>")
    page.evaluate(
        """async (url) => {
          Object.assign(window, { heard: [], asked: [], open: [], told: [] });
          window.fetch = (address) => new Promise((resolve) => {
            asked.push(address.split("epoch=")[1]);
            open.push((news) => resolve({ ok: Boolean(news), json: async () => news }));
          });
          window.answer = (news) => open.shift()(news);
          const hear = ({ says }) => heard.push(says);
          window.toy = { view: { update: hear, hear }, waiting: [] };
          window.feed = (await import(url)).default;
        }""",
        "data:text/javascript;base64," + base64.b64encode(script.encode()).decode(),
    )

    def update(data: dict[str, Any]) -> None:
        page.evaluate(
            """(data) => { feed({ data: { view: "toy", ...data }, parentElement: document.querySelector("main"),
                 setStateValue: (...what) => told.push(what), setTriggerValue: (...what) => told.push(what) }); }""",
            data,
        )

    return update


def test_messages_are_heard_in_the_order_in_which_they_were_made(page):
    update = listening(page)
    update({"says": "first", "live": "a", "epoch": 1})
    page.wait_for_function("asked.length === 1")
    update({"quiet": True, "live": "a", "epoch": 1})  # what is new comes on the wire
    # The script makes a message after an answer that is still on its way.
    update({"says": "third", "live": "a", "epoch": 2})
    page.evaluate("answer({ says: 'second', goes_on: true })")
    page.wait_for_function("asked.length === 2")
    assert page.evaluate("heard") == ["first", "second", "third"]
    # An answer in an epoch that has passed says nothing; the question is asked again in the new one.
    page.evaluate("answer({ passed: true })")
    page.wait_for_function("asked.length === 3")
    update({"says": "fourth", "live": "a", "epoch": 3})
    page.evaluate("answer({ passed: true })")
    page.wait_for_function("asked.length === 4")
    assert page.evaluate("heard") == ["first", "second", "third", "fourth"]
    assert page.evaluate("asked") == ["1", "2", "2", "3"]
    assert page.evaluate("told") == []
    # The end is told once, and nothing is asked after it.
    page.evaluate("answer({ says: 'last', goes_on: false })")
    page.wait_for_function("told.length === 1")
    update({"says": "over", "live": None, "epoch": 4})
    page.wait_for_timeout(200)
    assert page.evaluate("told") == [["over", "a"]]
    assert page.evaluate("heard").index("last") == 4
    assert page.evaluate("asked.length") == 4


def test_a_message_of_the_script_does_not_wait_for_ever(page):
    update = listening(page)
    update({"says": "first", "live": "a", "epoch": 1})
    page.wait_for_function("asked.length === 1")
    update({"says": "second", "live": "a", "epoch": 2})
    page.wait_for_function("heard.length === 2")  # though nothing was answered


def test_what_is_cut_is_said_once_and_not_asked_again(page):
    update = listening(page)
    update({"says": "first", "live": "a", "epoch": 1})
    page.wait_for_function("asked.length === 1")
    page.evaluate("answer(null)")
    page.wait_for_function("told.length === 1")
    assert page.evaluate("told") == [["wired", False]]
    update({"says": "second", "live": "a", "epoch": 2})
    page.wait_for_timeout(200)
    assert page.evaluate("asked") == ["1"]
    assert page.evaluate("heard") == ["first", "second"]


def photo(colour: str) -> str:
    """Return a photo of one colour, given as six digits: all are of the same length."""
    picture = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'><rect width='8' height='8' fill='%23{colour}'/>"
    )
    return f"data:image/svg+xml,{picture}</svg>"


def card(title: str, **more: Any) -> dict[str, Any]:
    shared = {"status": "done", "place": "no path", "settings": "", "words": "", "error": None, "can_cancel": False}
    return {"key": title, "name": title, "title": title, "lines": [["time", "1 s"]], "seen": "", **shared, **more}


def message(*shown: dict[str, Any], of: str = "", **maps: np.ndarray) -> dict[str, Any]:
    """Return what the server sends: these cards, and these maps of theirs."""
    ramp = [[k, 0, 255 - k] for k in range(256)]
    packed = [
        {"key": key, "series": f"map {key}", "unit": 1 / 100, "values": base64.b64encode(v.astype("<i2")).decode()}
        for key, v in maps.items()
    ]
    wants = [f"map {each['key']}" for each in shown]
    return {
        **{"height": 8, "width": 8, "keys": [each["key"] for each in shown], "cards": list(shown), "maps": packed},
        **{"photo": of or photo("ff0000"), "scales": {"map": "per map"}, "palettes": {"signed": ramp}},
        **{"display": None, "wants": wants, "sent": dict.fromkeys(wants, 1)},
    }


def levels(value: int) -> str:
    return data_uri(Image.fromarray(np.full((8, 8), value, np.uint8)))


def pixels(page: Page, selector: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")).astype(int)


def test_another_photo_of_the_same_length_is_shown(page):
    update = mount(page)
    first, second = photo("ff0000"), photo("0000ff")
    update(message(card("A"), of=first))
    expect(page.locator(".card img")).to_have_attribute("src", first)
    update(message(card("A"), of=second))
    expect(page.locator(".card img")).to_have_attribute("src", second)


def test_what_is_missing_is_told_while_messages_keep_coming(page):
    update = mount(page)
    lost = message(card("A"), card("B"), A=np.full((8, 8), 100)) | {"sent": {"map A": 1}}
    began = time.monotonic()
    for _ in range(40):
        update(lost)
        page.wait_for_timeout(20)
    told = page.evaluate("told")
    seconds = time.monotonic() - began
    assert told
    assert told[0][0] == "have"
    assert told[0][1]["missing"]
    assert told[0][1]["counts"] == {"map A": 1}
    assert len(told) <= 1 + seconds / 0.15, "one word for all that came meanwhile"


def test_a_map_that_was_made_again_is_drawn_again(page):
    update = mount(page)
    update(message(card("A"), A=np.full((8, 8), 100)))
    page.wait_for_timeout(100)
    before = pixels(page, ".card canvas")
    update(message(card("A"), A=np.full((8, 8), -100)))
    page.wait_for_timeout(100)
    assert np.abs(pixels(page, ".card canvas") - before).mean() > 30


def test_news_leave_what_has_not_changed_alone(page):
    update = mount(page)
    update(message(card("A", status="running", can_cancel=True), card("B", status="waiting", can_cancel=True)))
    expect(page.locator(".card")).to_have_count(3)
    page.get_by_role("button", name="Cancel B").focus()
    heights = [box["height"] for box in (c.bounding_box() for c in page.locator(".card").all())]
    update(message(card("A"), card("B", status="running", can_cancel=True), A=np.ones((8, 8))))
    update({**message(card("A"), card("B", status="running", can_cancel=True)), "cards": []})
    expect(page.locator(".card canvas")).to_have_count(1)
    assert [box["height"] for box in (c.bounding_box() for c in page.locator(".card").all())] == heights
    expect(page.get_by_role("button", name="Cancel B")).to_be_focused()
    update(message(card("A", status="cached"), card("B", status="running", can_cancel=True)))
    expect(page.get_by_role("button", name="Cancel B")).to_be_focused()
    page.get_by_role("button", name="Cancel B").click()
    assert page.evaluate("triggered") == [["B", "cancel"]]
    update(message(card("B", error="It cannot.")))
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator(".card .state")).to_have_text("It cannot.")


def test_a_map_without_curves_says_why(page):
    update = mount(page)
    update(message(card("A", status="failed", error="no memory left"), A=np.ones((8, 8))))
    expect(page.locator(".card canvas")).to_be_visible()
    expect(page.locator(".card .fault")).to_have_text("no memory left")


def test_a_map_grows_until_the_exact_one_is_there_and_goes_with_a_cancel(page):
    update = mount(page)
    running = card("A", status="running")
    for number, value in enumerate((140, 40)):
        news = {"key": "A", "item": 1, "progress": 0.5, "levels": levels(value), "peak": 1.0}
        update({**message(running), "running": news, "cards": [] if number else [running]})
        expect(page.locator(".card canvas")).to_have_count(1)
        page.wait_for_timeout(200)
        red = pixels(page, ".card canvas")[..., 0].mean()
        assert red > 128 if value > 128 else red < 128
    assert page.locator(".card progress").evaluate("(bar) => bar.value") == 0.5
    page.get_by_role("button", name="Enlarge A").click()
    expect(page.locator("dialog canvas")).to_be_visible()
    update(message(card("A"), A=np.full((8, 8), 100)))
    page.wait_for_timeout(100)
    assert pixels(page, ".card canvas")[..., 0].mean() > 0
    shown = page.evaluate(
        "[...document.querySelectorAll('canvas')].map((c) => [...c.getContext('2d').getImageData(0, 0, 1, 1).data])"
    )
    assert shown[0] == shown[1], "the large view follows"
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Enlarge A")).to_be_focused()

    update({**message(card("B", status="running")), "running": {**news, "key": "B"}})
    expect(page.locator(".card canvas")).to_have_count(1)
    update(message(card("B", status="cancelled", words="cancelled")))
    expect(page.locator(".card canvas")).to_have_count(0)
    expect(page.locator(".card .state")).to_have_text("cancelled")


def test_a_zoomed_map_follows_the_pointer_only_while_it_is_held(page):
    update = mount(page)
    update(message(card("A"), A=np.full((8, 8), 100)))
    stage = page.locator(".card.done > .stage")
    expect(stage.locator("canvas")).to_be_visible()
    page.locator("input.zoom").evaluate("(r) => { r.value = 4; r.dispatchEvent(new Event('input')); }")
    box = stage.bounding_box()
    assert box is not None

    def moved(share: float) -> float:
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"], steps=4)
        return page.evaluate("sampGrid.view.zoom.x")

    start = moved(0.5)
    assert moved(0.4) == start, "nothing is held"
    page.mouse.down()
    held = moved(0.6)
    assert held < start
    # As when a scroll or the system takes the pointer: no pointerup is ever seen here.
    stage.evaluate("(element) => element.releasePointerCapture(1)")
    assert abs(moved(0.8) - held) < 0.02, "a first move may still be under way"
    page.mouse.up()


def test_a_new_grid_says_what_it_lacks(page):
    update = mount(page)
    update({**message(card("A")), "sent": {}})
    page.wait_for_timeout(300)
    ((name, have),) = page.evaluate("told")
    assert name == "have"
    assert have["missing"]
    assert have["counts"] == {}
    page.locator("select.columns").select_option("2")
    columns = page.locator(".cards").evaluate(
        "(cards) => getComputedStyle(cards).gridTemplateColumns.split(' ').length"
    )
    assert columns == 2
    assert page.evaluate("told.at(-1)[1].columns") == "2"


@pytest.mark.parametrize("mode", ["signed", "intensity"])
@pytest.mark.parametrize("scale", SCALES)
def test_the_grid_colours_maps_as_figures_do(scale, mode, page):
    """One colour scale in the browser and in Python: what is seen on the page is what a figure shows."""
    random = np.random.default_rng(3)
    shown = {
        "A": np.round(random.standard_normal((8, 8)) ** 3 * 100),
        "B": np.round(random.standard_normal((8, 8)) * 9),
    }
    shown["B"][:4] = 0  # equals share a rank
    update = mount(page)
    data = message(card("A"), card("B"), **shown)
    data["scales"], data["palettes"] = SCALES, {mode: palette(mode).tolist()}
    update({**data, "display": {"scale": scale, "mode": mode, "opacity": 1.0}})
    expect(page.locator(".card.done canvas")).to_have_count(2)
    page.wait_for_timeout(200)
    seen = page.evaluate(
        """[...document.querySelectorAll(".card canvas")]
             .map((c) => [...c.getContext("2d").getImageData(0, 0, 8, 8).data])"""
    )
    maps = scaled([values / 100 for values in shown.values()], scale)
    for pixels_seen, values in zip(seen, maps, strict=True):
        colours = np.array(pixels_seen).reshape(8, 8, 4)[..., :3]
        expected = np.asarray(colour(values, mode, limit=1.0)).astype(int)
        one_level = np.abs(np.diff(palette(mode).astype(int), axis=0)).max()
        assert np.abs(colours - expected).max() <= one_level, "at most a rounding apart"
