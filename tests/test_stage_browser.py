"""The stage in a real browser, from a cold session: lanes that move together, live knobs, one clock, one plane."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import time

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from samp_core.images import load_sample
from tests.serving import LONG, ROOT, serve
from tests.test_browser import barriers, download

RUN = "samp,steps=6", "ig,steps=8,start=blur"  # lanes that are quick


def link(address: str, *lanes: str, network: str = "mnist_cnn") -> str:
    """Return a link to lanes; of the small network, which answers at once, where it does not matter which."""
    asked = f"&network={network}" if network else ""
    return f"{address}/Explain?lanes=" + ";".join(lanes).replace("+", "%2B").replace(";", "%3B") + asked


def lane(page: Page, n: int):
    return page.locator(".stage .lane").nth(n)


def picture(page: Page, n: int) -> str:
    """Return a fingerprint of the pixels of a lane's map; of two of them a difference is said at once."""
    return pixels(lane(page, n).locator("canvas.map"))


def pixels(canvas: Locator) -> str:
    return hashlib.sha256(canvas.evaluate("c => c.toDataURL()").encode()).hexdigest()


def expect_all_done(page: Page) -> None:
    expect(page.locator(".stage .lane[data-status=running]")).to_have_count(0)
    expect(page.locator(".stage .lane").first).to_have_attribute("data-status", re.compile("done|failed"))


def open_and_run(page: Page, address: str, *lanes: str, network: str = "mnist_cnn") -> None:
    page.goto(link(address, *lanes, network=network))
    expect(page.locator(".stage .lane")).to_have_count(len(lanes))
    page.get_by_role("button", name=re.compile("^Run")).click()
    expect(lane(page, 0)).to_have_attribute("data-status", re.compile("running|done"))
    expect_all_done(page)
    at_last(page, len(lanes))


def at_last(page: Page, count: int) -> list[str]:
    """Return the lanes' pictures: the last maps are decoded a moment after their runs are said to be done."""
    before: list[str] = []
    while before != (before := [picture(page, n) for n in range(count)]):
        page.wait_for_timeout(250)
    return before


def stop_planes(page: Page) -> None:
    """Leave the processor to the test: on photos, the ground below the paths takes it for ten seconds."""
    stop = page.locator(".plane").get_by_role("button", name="Stop")
    expect(stop.or_(page.locator(".plane canvas")).first).to_be_visible()
    if stop.count():
        stop.click()


def set_clock(page: Page, share: float) -> None:
    page.locator("input.clock").evaluate(
        "(range, at) => { range.value = at; range.dispatchEvent(new Event('input')); }", round(1000 * share)
    )


def live(page: Page) -> None:
    """Let the lane in hand answer its knobs at once; its estimate may have switched that off, or on a moment later."""
    switch = page.locator("[class*='-live-'] input[type=checkbox]")
    deadline = time.monotonic() + LONG / 1000
    while time.monotonic() < deadline:
        page.wait_for_timeout(400)
        if switch.count() != 1:  # the one that the estimate has just switched is not gone yet
            continue
        if switch.is_checked():
            return
        page.locator("[class*='-live-'] label").first.click()
    expect(switch).to_be_checked()


def slide(page: Page, knob: str, key: str = "ArrowRight") -> None:
    page.locator(f"[class*='{knob}'] input[type=range], [class*='{knob}'] [role=slider]").first.focus()
    page.keyboard.press(key)


def test_home_opens_two_paths_from_one_start_that_move_together(page, address):
    page.goto(address)
    page.get_by_role("button", name="Watch it on a photo").click()
    expect(page.locator(".stage:not(.compact) .lane")).to_have_count(2)
    assert [lane(page, n).get_attribute("data-method") for n in range(2)] == ["samp", "ig"]
    # Both maps change while both run.
    seen: list[set[str]] = [set(), set()]
    deadline = time.monotonic() + LONG / 1000
    while min(map(len, seen)) < 3 and time.monotonic() < deadline:
        if all(lane(page, n).get_attribute("data-status") == "running" for n in range(2)):
            assert page.get_by_role("button", name=re.compile("^Run")).count() == 0, "it would begin all anew"
            for n in range(2):
                seen[n].add(picture(page, n))
        page.wait_for_timeout(80)
    assert min(map(len, seen)) >= 3
    expect(lane(page, 0).get_by_text("gaussian blur → photo")).to_be_visible()
    expect(lane(page, 1).get_by_text("gaussian blur → photo")).to_be_visible()
    expect_all_done(page)
    expect(lane(page, 0)).to_contain_text(re.compile("do not add up|Adds up"))
    stop_planes(page)
    # A run that is over is found again, whichever page was shown meanwhile.
    final = at_last(page, 2)
    page.get_by_test_id("stSidebar").get_by_role("link", name="Home").click()
    expect(page.get_by_role("button", name="Watch it on a photo")).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Explain").click()
    expect(lane(page, 0)).to_have_attribute("data-status", "done")
    expect(lane(page, 0).locator("canvas.map")).to_be_visible()
    again, deadline = at_last(page, 2), time.monotonic() + LONG / 1000
    while again != final and time.monotonic() < deadline:  # a processor that does other things decodes them late
        again = at_last(page, 2)
    assert again == final


def test_news_come_by_the_wire_and_by_the_page_where_that_is_cut(page, address):
    asked: list[str] = []
    page.on(
        "requestfinished",
        heard := lambda request: asked.append(request.url.partition("?")[0]) if "/wire/" in request.url else None,
    )
    open_and_run(page, address, "samp,steps=8", network="")
    assert len(asked) >= 3
    assert len(set(asked)) == 1, "one line for one session"
    first = picture(page, 0)
    page.remove_listener("requestfinished", heard)

    cut: list[str] = []
    page.route("**/wire/**", lambda route: (cut.append(route.request.url.partition("?")[0]), route.abort()))
    for more in (1, 2):
        live(page)
        slide(page, "-steps")
        expect(lane(page, 0)).to_contain_text(f"{8 + more} steps")
        expect_all_done(page)
        assert cut == asked[:1], "what is cut is not asked again"
    assert at_last(page, 1) != [first]
    page.unroute("**/wire/**")


def test_one_clock_moves_all_lanes_and_three_pictures_say_where_they_are(page, address):
    open_and_run(page, address, *RUN)
    for n in range(2):
        expect(lane(page, n)).to_have_attribute("data-status", "done")
    at_end = [picture(page, n) for n in range(2)]

    # The clock moves all lanes, whatever it runs by.
    words = {"way": "% of the way", "pixels": "% of the pixels", "evaluations": "gradients", "seconds": " s"}
    for measure, said in words.items():
        page.locator("select.measure").select_option(measure)
        if measure == "seconds":  # as they were: a small network may have made all its moves in the first of them
            set_clock(page, 0)
            for n in range(2):
                expect(lane(page, n).locator("canvas.map")).to_be_hidden()
        else:
            set_clock(page, 0.4)
            page.wait_for_timeout(150)
            assert picture(page, 0) != at_end[0], measure
        expect(page.locator(".where")).to_contain_text(said)
        set_clock(page, 1)
        page.wait_for_timeout(150)
        assert [picture(page, n) for n in range(2)] == at_end, measure
    page.locator("select.measure").select_option("way")

    # Keys, single steps, playing.
    page.locator(".stage").focus()
    page.keyboard.press("Home")
    expect(page.locator(".where")).to_contain_text("0 % of the way")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".where")).not_to_contain_text(re.compile("^0 %"))
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press("Space")
    page.keyboard.press("End")

    # The plane of both lanes, with what it holds and what leaves it; a dot shows its image.
    plane = page.locator(".plane")
    expect(plane.locator("canvas")).to_be_visible()
    expect(plane).to_contain_text(re.compile(r"second axis holds \d+ %"))
    expect(plane).to_contain_text(re.compile(r"SAMP \d\.\d\d, Integrated Gradients 0\.00"))
    expect(plane.locator("svg path.path")).to_have_count(2)
    expect(plane.get_by_role("button", name="zero → photo (1)")).to_be_visible()
    plane.locator("svg circle.hot").nth(3).hover(force=True)
    expect(page.locator(".tip img")).to_be_visible()
    expect(page.locator(".scores svg path.path")).to_have_count(3)
    expect(page.locator(".sums svg path.path:not(.change)")).to_have_count(3)
    assert not barriers(page)


def test_a_knob_restarts_its_lane_alone_and_lanes_are_copied_moved_and_removed(page, address):
    open_and_run(page, address, *RUN)
    at_end = [picture(page, n) for n in range(2)]
    live(page)
    slide(page, "-momentum")
    expect(lane(page, 0)).to_contain_text("momentum 0.05")
    expect_all_done(page)
    page.wait_for_timeout(400)
    assert picture(page, 1) == at_end[1]
    expect(page).to_have_url(re.compile("momentum"))

    # The same method twice; lanes move and go.
    lane(page, 0).get_by_role("button", name="Put a copy beside it").click()
    expect(page.locator(".stage .lane[data-method=samp]")).to_have_count(2)
    expect(lane(page, 2)).to_have_attribute("data-method", "ig")
    expect_all_done(page)  # what moves while the copy is laid out would be met by the click
    lane(page, 2).get_by_role("button", name="Move to the left").click()
    expect(lane(page, 1)).to_have_attribute("data-method", "ig")
    lane(page, 0).get_by_role("button", name="Remove this lane").click()
    expect(page.locator(".stage .lane")).to_have_count(2)
    expect_all_done(page)

    # Figures and files belong to a run.
    page.get_by_role("tab", name=re.compile("Integrated Gradients")).click()
    settings = json.loads(download(page, "Settings (json)"))
    assert settings["settings"]["method"] == "ig"
    assert settings["result"]["finished"]
    assert settings["machine"]["threads"] == max(1, (os.cpu_count() or 2) - 1)  # the run's, not the download's
    with np.load(io.BytesIO(download(page, "Map (npz)"))) as maps:
        assert maps["map"].shape == (28, 28)
        np.testing.assert_allclose(maps["by_direction"].sum(0), maps["map"], rtol=1e-3, atol=1e-5)
    assert Image.open(io.BytesIO(download(page, "Figure (png)"))).width > 1000
    page.get_by_role("tab", name="The plane as a relief").click()
    expect(page.locator(".js-plotly-plot").or_(page.get_by_text("still being computed")).first).to_be_visible(
        timeout=LONG
    )


def test_any_path_and_a_method_without_one_stand_beside_each_other(page, address):
    open_and_run(page, address, "guided-ig,steps=6", "blur-ig,steps=6", "grad-cam")
    for n, (method, states) in enumerate([("guided-ig", 1), ("blur-ig", 1), ("grad-cam", 0)]):
        expect(lane(page, n)).to_have_attribute("data-method", method)
        expect(lane(page, n)).to_have_attribute("data-status", "done")
        expect(lane(page, n).locator("img.state")).to_have_count(states)
        expect(lane(page, n).locator("canvas.map")).to_be_visible()
    # Where every value moves, it is shown how far: not a solid sheet.
    set_clock(page, 0.5)
    mask = lane(page, 1).locator(".moved").evaluate("e => e.style.maskImage")
    shown = base64.b64decode(mask.split("base64,", 1)[1].rstrip('")'))
    with Image.open(io.BytesIO(shown)) as image:
        shades = np.unique(np.asarray(image.convert("RGBA"))[..., 3])
    assert len(shades) > 4
    # Other ends, other plane.
    expect(page.locator(".plane .tabs button")).to_have_count(2)


def test_an_upload_is_run_cancelled_and_run_again(page, address, tmp_path):
    page.goto(link(address, "samp++,steps=8,ic=1/200", network=""))
    page.get_by_role("radio", name="Upload").or_(page.get_by_role("button", name="Upload")).first.click(timeout=LONG)
    photo = tmp_path / "my cup.png"
    load_sample("coffee").save(photo)
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(photo)
    expect(page.get_by_text("my cup.png, 600 x 400 pixels")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(lane(page, 0)).to_contain_text(re.compile(r"move ([2-9]|\d\d)"))
    page.get_by_role("button", name="Cancel").first.click()
    expect(page.get_by_text("Stopped early").first).to_be_visible()
    expect(page.locator(".facts")).to_be_visible()
    slide(page, "-ic", "Home")
    live(page)
    expect_all_done(page)
    expect(page.get_by_text("Stopped early")).to_have_count(0)


def test_on_a_phone_lanes_stack_and_the_stage_comes_into_sight(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(LONG)
    page.goto(link(address, *RUN))
    expect(page.locator(".stage .lane")).to_have_count(2)
    page.get_by_role("button", name="Run all lanes").click()
    expect(lane(page, 0)).to_have_attribute("data-status", re.compile("running|done"))
    page.wait_for_timeout(600)
    top = page.locator(".stage").bounding_box()["y"]
    assert top < 600
    first, second = (lane(page, n).bounding_box() for n in range(2))
    assert second["y"] >= first["y"] + first["height"]
    expect_all_done(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    context.close()


_ENDLESS = """
import time
import streamlit as st
from pathlib import Path
from ui.work.turns import Turns
from ui.work import worker
from ui.work.worker import Worker

worker.GRACE = 2.0

class Endless(Worker):
    def __init__(self):
        super().__init__(Turns(1), "endless", "Nowhere")
        self.over = False
    active = property(lambda self: not self.over)
    progress = property(lambda self: 0.0)
    def _work(self):
        while True:
            Path({beat!r}).write_text(str(time.time()))
            self.pause()
            time.sleep(0.1)
    def _fail(self, why):
        self.over = True
        Path({end!r}).write_text(why)

if "work" not in st.session_state:
    Endless().start()
st.write("started")
"""


def test_work_lives_as_long_as_its_tab(browser: Browser, tmp_path):
    beat, end, script = tmp_path / "beat", tmp_path / "end", tmp_path / "endless.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n" + _ENDLESS.format(beat=str(beat), end=str(end))
    )
    with serve(script, tmp_path / "log") as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        expect(page.get_by_text("started")).to_be_visible()
        page.wait_for_timeout(3000)
        assert beat.is_file()
        assert not end.exists()
        context.close()
        for _ in range(250):
            if end.exists():
                break
            time.sleep(0.1)
        assert end.is_file(), "a closed tab's work went on for 25 s, where 2 s of grace were given"
        assert "closed" in end.read_text()


def test_four_lanes_fit(page, address):
    page.goto(link(address, "samp", "samp++", "ig", "grad-cam"))
    expect(page.locator(".stage .lane")).to_have_count(4)
    page.wait_for_timeout(800)
    for what in (page.locator(".stage .lane"), page.locator(".stage .lane .mapbox")):
        assert len({round(each.bounding_box()["y"]) for each in what.all()}) == 1
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert not barriers(page, () if scheme == "light" else ("color-contrast",))
    page.goto(link(address, "samp", "ig,start=blur", "samp-steady"))  # whose settings need one line, two and two
    expect(page.locator(".stage .lane")).to_have_count(3)
    page.wait_for_timeout(800)
    assert len({round(each.bounding_box()["y"]) for each in page.locator(".stage .lane .mapbox").all()}) == 1


def test_a_path_that_is_found_first_is_seen_while_it_is_found(page, address):
    page.goto(link(address, "samp-refined,searches=1,sweeps=20,states=8", network=""))
    page.get_by_role("button", name=re.compile("^Run")).click()
    first = lane(page, 0)
    badge, drafts = first.locator(".mapbox .badge"), first.locator(".pane .half")
    expect(badge).to_have_text(re.compile(r"^the order after sweep \d+ of 20$"))
    expect(first.locator(".words")).to_contain_text("finding the path")
    expect(drafts).to_have_count(2)
    expect(drafts.first).to_be_visible()
    expect(first.locator(".scale")).to_contain_text("later")
    halfway = first.locator(".pane img").first.get_attribute("src")
    first.get_by_role("button", name="Cancel").click()
    expect(first.locator(".words")).to_contain_text("Stopped early")
    expect(drafts.first).to_be_hidden()
    assert first.locator(".pane img").first.get_attribute("src") != halfway

    open_and_run(page, address, "samp-refined,searches=2,sweeps=2,pull=1")
    thin = page.locator(".plane .draft")
    expect(thin).to_have_count(2)  # after the searches, and after the first sweep; the second is what was walked
    assert ["after the searches" in text for text in thin.locator("title").all_text_contents()] == [True, False]
    expect(page.locator(".plane .under")).to_contain_text("Thin: drafts of the path")
    expect(page.locator(".scores .draft")).to_have_count(4)
    page.locator("select.measure").select_option("evaluations")
    expect(page.locator(".scores .draft")).to_have_count(0)  # a draft is not walked, so it has no cost along the way


def test_what_several_copies_agree_on_is_shown_alone_and_said_of_a_pixel(page, address):
    open_and_run(page, address, "samp-instant,steps=2,copies=3,copies_at_once=1", "ig,steps=4,start=blur")
    first = lane(page, 0)
    switch = page.get_by_role("checkbox", name="firm only")
    expect(switch).to_be_visible()
    expect(switch).not_to_be_checked()
    whole, other = picture(page, 0), picture(page, 1)
    switch.check()
    firm = picture(page, 0)
    assert firm != whole
    assert picture(page, 1) == other  # of one copy nothing is known
    first.locator("canvas.map").hover(position={"x": 60, "y": 60})
    expect(first.locator(".probe")).to_contain_text(re.compile("[123] of 3 copies agree on the sign"))
    expect(lane(page, 1).locator(".probe")).not_to_contain_text("copies")
    expect(page.get_by_text("Firm pixels")).to_be_visible()
    switch.uncheck()
    assert picture(page, 0) == whole
    expect(first.locator(".badge")).to_be_hidden()
    page.locator("select.measure").select_option("evaluations")
    set_clock(page, 0.8)  # the first lane costs 12 gradients, the other 5: two of its three copies are done
    expect(first.locator(".badge")).to_have_text("mean of 2 copies")
    assert picture(page, 0) != whole
    set_clock(page, 1)
    page.get_by_role("button", name="Slow motion").click()
    expect(page.get_by_text("explains 3 copies of the photo")).to_be_visible()
