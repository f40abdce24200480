"""What is taken along, in a real browser: the film as one file, the tour, the presenter's view, Home."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

import samp_core
from samp_core import METHODS
from samp_core.classifiers import Classifier
from samp_core.images import load_sample
from tests.serving import LONG
from tests.test_browser import barriers
from tests.test_stage_browser import RUN, lane, link, open_and_run, picture, pixels, set_clock


@pytest.fixture(scope="module")
def film_file(bundled: Classifier, tmp_path_factory, few_cells):
    recording = samp_core.film(bundled, load_sample("chelsea"), "samp,steps=6,ig,steps=8,start=blur", name="cat.png")
    return recording.save(tmp_path_factory.mktemp("film") / "cat.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_film_plays_from_a_double_click_with_the_network_off(browser, film_file, scheme):
    context = browser.new_context(viewport={"width": 1300, "height": 1000}, color_scheme=scheme, offline=True)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(film_file.as_uri())
    expect(page.locator(".stage .lane")).to_have_count(2)
    expect(lane(page, 0)).to_have_attribute("data-method", "samp")
    expect(page.locator("input.clock")).to_be_enabled()
    expect(lane(page, 0).locator(".probe")).to_contain_text("Point at a pixel")
    final = [picture(page, n) for n in range(2)]
    set_clock(page, 0.4)
    assert all(picture(page, n) != final[n] for n in range(2))
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(600)
    page.get_by_role("button", name="Pause").click()
    assert int(page.locator("input.clock").input_value()) > 400
    # Pointing, the plane and slow motion are there; what would need a server is not.
    box = lane(page, 1).locator(".mapbox .box").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".closer table.pins tbody tr")).to_have_count(2)
    expect(page.locator(".plane svg .path")).not_to_have_count(0)
    page.locator(".slowly").click()
    expect(page.locator(".unfold .card")).to_have_count(5)
    # Two maps over each other and the unfolded move are those of the clock.
    over = page.locator(".swipebox canvas").first
    laid = over.evaluate("c => c.toDataURL()")
    set_clock(page, 0.7)
    expect(page.locator(".slowtitle")).not_to_have_text("Move 1 of SAMP")
    page.wait_for_timeout(200)
    assert over.evaluate("c => c.toDataURL()") != laid
    assert pixels(over) == picture(page, 0)
    # Smoothed maps have one scale as well.
    page.locator("input.smooth").evaluate("r => { r.value = 2; r.dispatchEvent(new Event('input')); }")
    page.locator("input.same").check()
    scales = {lane(page, n).locator(".scale span").last.inner_text() for n in range(2)}
    assert len(scales) == 1
    lane(page, 1).locator(".take").click()
    expect(page.locator(".slowtitle")).to_contain_text("Integrated Gradients")
    expect(lane(page, 0).locator(".tools")).to_be_hidden()
    expect(page.locator(".tour")).to_be_hidden()
    assert not said
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    grave = [v["id"] for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert not grave
    context.close()


def test_home_plays_a_film_that_leads_to_the_stage(page: Page, address):
    page.emulate_media(reduced_motion="no-preference")
    page.goto(address)
    expect(page.locator(".stage.compact .lane")).to_have_count(2)
    clock = page.locator("input.clock")
    before = clock.input_value()
    page.wait_for_timeout(800)
    assert clock.input_value() != before
    page.keyboard.press("Space")  # which scrolls the page, as on any other
    expect(page.get_by_role("button", name="Pause")).to_have_count(1)
    assert lane(page, 0).get_attribute("data-method") == "samp-clear"
    expect(page.locator(".plane svg .path")).not_to_have_count(0)
    for words in ("For research", "For teaching", "For your own network"):
        expect(page.get_by_text(words)).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Explain").click()
    expect(page.locator(".stage:not(.compact) .lane")).to_have_count(2)
    expect(lane(page, 0)).to_have_attribute("data-status", "idle")


def test_what_adds_up_is_seen_to_add_up_at_every_moment(page: Page, address):
    page.goto(address)
    gauges = lane(page, 0).locator(".gauge span")
    expect(gauges).to_have_count(2)
    seen = set()
    for share in (0.0, 0.15, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0):
        set_clock(page, share)
        for words in gauges.all_inner_texts():
            parts = re.fullmatch(r"(\w+: s|S)um (\S+) against a change of (\S+)", words)
            assert parts, words
            assert float(parts[2]) == pytest.approx(float(parts[3]), abs=0.02), words
            seen.add(parts[2])
    assert len(seen) > 8


def test_who_asked_for_less_motion_sees_the_film_at_rest(page, address):
    page.goto(address)
    expect(page.locator(".stage.compact .lane")).to_have_count(2)
    page.wait_for_timeout(800)
    assert page.locator("input.clock").input_value() == "1000"


def test_the_tour_has_six_stops_and_is_offered_once_and_the_presenter_needs_no_second_click(page: Page, address):
    open_and_run(page, address, *RUN)
    tour = page.locator(".tour")
    expect(tour).to_contain_text("Six stops")
    tour.get_by_role("button", name="Show me").click()
    for stop in range(1, 7):
        expect(tour).to_contain_text(f"{stop} of 6")
        expect(page.locator(".toured")).to_have_count(1)
        expect(page.locator(".toured")).to_be_in_viewport()
        if stop == 1:
            assert not barriers(page)
        tour.get_by_role("button", name="Done" if stop == 6 else "Next").click()
    expect(tour).to_be_hidden()
    page.goto(link(address, *RUN))
    expect(page.locator(".stage .lane")).to_have_count(2)
    page.get_by_role("button", name=re.compile("^Run")).click()
    expect(page.locator("input.clock")).to_be_enabled()
    page.wait_for_timeout(500)
    expect(tour).to_be_hidden()
    page.get_by_role("button", name="Tour").click()
    expect(tour).to_contain_text("1 of 6")
    page.keyboard.press("Escape")
    expect(tour).to_be_hidden()
    # Presenting: no sidebar, large type, and the arrow keys step without another click.
    page.locator(".st-key-presenting label").first.click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    expect(page.locator(".stage.presenting")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".where")).not_to_have_text(re.compile("100 %"))
    page.keyboard.press("End")
    expect(page.locator(".where")).to_have_text(re.compile("100 %"))
    page.locator(".st-key-presenting label").first.click()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()


def test_arrow_keys_go_from_map_to_map_while_compare_is_presented(page: Page, address):
    page.goto(f"{address}/Compare?methods=gradient+input-x-gradient+edges")
    page.get_by_role("button", name="Run", exact=True).click(timeout=LONG)
    expect(page.locator(".grid-root canvas")).to_have_count(3)
    page.locator(".st-key-presenting label").first.click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    expect(page.locator(".grid-root.presenting")).to_have_count(1)
    large = page.locator("dialog.large h3")
    seen = []
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        expect(large).to_be_visible()
        seen.append(large.inner_text())
    assert len(set(seen)) == 3
    page.keyboard.press("ArrowLeft")
    expect(large).to_have_text(seen[1])
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()


def test_a_method_is_chosen_from_cards_that_show_its_path(page: Page, address):
    page.goto(f"{address}/Explain")
    door = page.get_by_role("button", name="Add beside it")
    door.click(timeout=LONG)
    cards = page.locator(".shelf .card")
    expect(cards).to_have_count(len(METHODS))
    with_path = [method for method in METHODS.values() if method.has_path]
    expect(page.locator(".shelf .card svg path")).to_have_count(len(with_path))
    for method in with_path:  # whoever adds a path method records its preview: python assets/make_pictures.py
        assert page.locator(f".shelf .card[data-method='{method.name}'] svg").count() == 1, method.name
    assert not barriers(page)
    page.locator(".shelf .card[data-method='grad-cam']").click()
    expect(page.locator(".stage .lane")).to_have_count(3)
    expect(lane(page, 2)).to_have_attribute("data-method", "grad-cam")
    expect(page.locator(".shelf")).to_have_count(0)
    door.click()
    page.locator(".shelf .card[data-method='samp']").click()
    expect(page.locator(".stage .lane")).to_have_count(4)
    expect(door).to_have_count(0)  # no more fit
