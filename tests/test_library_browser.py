"""The Library in a real browser: what comes there by itself is named, found, opened, compared, taken along, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from samp_core.archive import unpack
from samp_core.library import Library
from tests.serving import visit
from tests.test_browser import barriers
from tests.test_walk_browser import follow, query, settle


def cards(page: Page) -> Locator:
    return page.locator("[class*='st-key-record-']")


def run(page: Page, url: str) -> None:
    """Compare what a link asks for, and wait until it is in the library."""
    page.goto(f"{url}&network=mnist_cnn")
    settle(page, "Compare")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("tab", name="Export")).to_be_visible()
    settle(page, "Compare")


def library(page: Page, address: str, count: int) -> None:
    """Go to the library; a result is written down behind the pages, so look until it is there."""
    page.goto(f"{address}/Library")
    for _ in range(60):
        settle(page, "Library")
        if cards(page).count() == count:
            return
        page.keyboard.press("r")
        page.wait_for_timeout(300)
    assert cards(page).count() == count


def test_results_are_named_and_found(browser: Browser, address: str) -> None:
    with visit(browser) as page:
        run(page, f"{address}/Compare?methods=gradient&photo=coffee")
        run(page, f"{address}/Compare?methods=gradient+input-x-gradient&photo=rocket")
        library(page, address, 2)
        first, second = cards(page).nth(0), cards(page).nth(1)
        expect(first).to_contain_text("Gradient, Input × gradient on rocket.png")
        expect(second).to_contain_text("Gradient on coffee.png")
        expect(first).to_contain_text("2 runs of the logit of")
        picture = first.get_by_role("img")
        expect(picture).to_have_attribute("alt", re.compile("maps of Gradient"))
        assert picture.evaluate("image => image.naturalWidth") == 388

        # Name, note and tags; what is written about is kept.
        second.get_by_role("button", name="More").click()
        page.get_by_role("textbox", name="Name").fill("The rim of the cup")
        page.get_by_role("textbox", name="Note").fill("Look *here*")
        page.get_by_role("textbox", name="Tags").fill("lesson 1, cups")
        page.get_by_role("button", name="Save").click()
        settle(page, "Library")
        expect(second).to_contain_text("The rim of the cup")
        expect(second).to_contain_text("Look *here*")
        expect(second.get_by_role("button", name="Kept")).to_be_visible()
        page.reload()
        settle(page, "Library")
        expect(cards(page).nth(1)).to_contain_text("lesson 1")

        # Found again.
        page.get_by_role("textbox", name="Find").fill("RIM lesson")
        page.keyboard.press("Enter")
        expect(cards(page)).to_have_count(1)
        page.get_by_role("textbox", name="Find").fill("zebra")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Nothing here fits")).to_be_visible()
        page.get_by_role("textbox", name="Find").fill("")
        page.keyboard.press("Enter")
        expect(cards(page)).to_have_count(2)
        page.get_by_role("radio", name="Kept").click()
        expect(cards(page)).to_have_count(1)
        page.get_by_role("radio", name="All").click()
        expect(cards(page)).to_have_count(2)
        settle(page, "Library")
        assert barriers(page) == []


def test_results_are_taken_along_deleted_and_brought_back(browser: Browser, address: str, tmp_path) -> None:
    with visit(browser) as page:
        run(page, f"{address}/Compare?methods=gradient&photo=coffee")
        run(page, f"{address}/Compare?methods=gradient&photo=rocket")
        library(page, address, 2)

        # Two photos are not one stage.
        for card in (0, 1):
            cards(page).nth(card).get_by_text("Select", exact=True).click()
            settle(page, "Library")
        page.get_by_role("button", name="Side by side on the stage").click()
        expect(page.get_by_text("not of one photo and network")).to_be_visible()

        # Taken along, deleted, brought back, imported again.
        with page.expect_download() as caught:
            page.get_by_role("button", name="Export as a set").click()
        exported = tmp_path / "set.zip"
        caught.value.save_as(exported)
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(cards(page)).to_have_count(0)
        page.get_by_role("button", name="Undo").click()
        expect(cards(page)).to_have_count(2)
        page.get_by_role("button", name="Import").click()
        page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(exported)
        expect(page.get_by_text("2 results imported from set.zip, and kept.")).to_be_visible()
        expect(cards(page)).to_have_count(4)
        settle(page, "Library")

        # Gone for good.
        page.get_by_role("button", name="What is remembered").click()
        page.get_by_text("I want everything here to be gone for good.").click()
        page.get_by_role("button", name="Delete everything").click()
        expect(page.get_by_text("Nothing is here yet")).to_be_visible()
        ways = page.locator(".st-key-library-to-come").get_by_role("link")
        expect(ways).to_have_text(["Explain", "Compare", "Metrics", "Tune"])
        settle(page, "Library")


def test_a_result_is_opened_as_it_was_and_two_stand_side_by_side(browser: Browser, address: str) -> None:
    with visit(browser) as page:
        run(page, f"{address}/Compare?methods=gradient+samp&samp.steps=7&photo=coffee&class=3")
        asked = query(page)
        run(page, f"{address}/Compare?methods=gradient+samp&samp.momentum=0.3&photo=coffee&class=3")
        library(page, address, 2)
        cards(page).nth(1).get_by_role("button", name="Open").click()
        settle(page, "Compare")
        expect(page.get_by_role("tab", name="Export")).to_be_visible()
        expect(page.get_by_text("2 of 2 maps are here")).to_be_visible()
        expect(page.get_by_text("Not as published: SAMP (steps 7, not 14).")).to_be_visible()
        expect(page.get_by_test_id("stSidebar").get_by_role("radio", name=re.compile("^3"))).to_be_checked()
        assert sorted(query(page).split("&")) == sorted(asked.split("&"))
        follow(page, "Library")
        settle(page, "Library")
        for card in (0, 1):
            cards(page).nth(card).get_by_text("Select", exact=True).click()
            settle(page, "Library")
        page.get_by_role("button", name="Side by side on the stage").click()
        expect(page.locator(".lane[data-status=done]")).to_have_count(3)  # the gradient is the same in both
        expect(page.locator(".lane[data-method=samp]")).to_have_count(2)
        settle(page, "Explain")
        expect(page.get_by_test_id("stSidebar").get_by_role("radio", name=re.compile("^3"))).to_be_checked()

        # The stage is a result as well; a reload finds its runs, films and all, and walks nothing again.
        library(page, address, 3)
        expect(cards(page).nth(0)).to_contain_text("Explain")
        page.go_back()
        settle(page, "Explain")
        page.reload()
        settle(page, "Explain")
        expect(page.locator(".lane[data-status=done]")).to_have_count(3)
        expect(page.get_by_text("is gone")).to_have_count(0)
        page.get_by_role("tab", name="SAMP: figures and files").first.click()
        expect(page.get_by_role("button", name="Map (npz)").first).to_be_visible()


def test_numbers_come_back_with_what_they_were_made_from(browser: Browser, address: str) -> None:
    with visit(
        browser, f"{address}/Metrics?network=mnist_cnn&methods=gradient+edges&photo=coffee&metrics=curves+concentration"
    ) as page:
        settle(page, "Metrics")
        page.get_by_role("button", name="Measure", exact=True).click()
        expect(page.get_by_role("heading", name="How a number was made")).to_be_visible()
        settle(page, "Metrics")
        asked = query(page)
        library(page, address, 1)
        expect(cards(page)).to_contain_text("Metrics")
        page.goto(f"{address}/Metrics?{asked}")
        settle(page, "Metrics")
        expect(page.get_by_role("heading", name="How a number was made")).to_be_visible()
        expect(page.locator(".st-key-evidence-curves")).to_be_visible()
        expect(page.get_by_text("is gone").or_(page.get_by_text("The choice differs"))).to_have_count(0)
        with page.expect_download() as caught:
            page.get_by_role("button", name="Runs (.samp)").click()
        archive = unpack(Path(caught.value.path()).read_bytes())
        assert [sorted(numbers) for numbers in archive.numbers] == [["concentration", "curves"]] * 2
        assert archive.words["asked"]["metrics"] == ["curves", "concentration"]


def test_a_restarted_server_finds_what_was_finished(
    browser: Browser, address: str, restarted: Callable[[], str]
) -> None:
    with visit(browser) as page:
        run(page, f"{address}/Compare?methods=gradient&photo=coffee")
        asked = query(page)
        library(page, address, 1)
        page.goto(f"{restarted()}/Compare?{asked}")
        settle(page, "Compare")
        expect(page.get_by_role("tab", name="Export")).to_be_visible()
        expect(page.get_by_text("is gone")).to_have_count(0)


def test_a_stage_comes_back_with_its_films_and_planes(
    browser: Browser, address: str, restarted: Callable[[], str], tmp_path: Path
) -> None:
    """After a restart, and for somebody else who is given the file: everything is seen, nothing is walked."""
    frames = "(lanes) => lanes.map((lane) => [...lane.querySelectorAll('img.state')].map((i) => i.src.length))"
    file = tmp_path / "coffee.samp"
    with visit(
        browser, f"{address}/Explain?lanes=samp,steps%3D5;ig,steps%3D4;gradient&photo=coffee&network=mnist_cnn"
    ) as page:
        settle(page, "Explain")
        page.get_by_role("button", name=re.compile("^Run")).first.click()
        expect(page.locator(".lane[data-status=done]")).to_have_count(3)
        expect(page.locator(".plane")).to_contain_text("Ground: ")
        expect(page.locator(".plane").get_by_role("button", name="Stop")).to_have_count(0)
        settle(page, "Explain")
        shown = page.locator(".lane").evaluate_all(frames)
        plane = page.locator(".plane .under").inner_text()
        asked = query(page)
        page.get_by_role("tab", name="SAMP: figures and files").click()
        page.get_by_role("switch", name="Photo inside").first.press("Space")
        settle(page, "Explain")
        with page.expect_download() as caught:
            page.get_by_role("button", name="Runs (.samp)").first.click()
        caught.value.save_as(file)
        library(page, address, 1)
        page.goto(f"{restarted()}/Explain?{asked}")
        settle(page, "Explain")
        expect(page.locator(".lane[data-status=done]")).to_have_count(3)
        expect(page.get_by_text("It came back from a file.")).to_have_count(3)
        assert page.locator(".lane").evaluate_all(frames) == shown
        assert page.locator(".plane .under").inner_text() == plane
        page.get_by_role("button", name="Slow motion").click()
        expect(page.get_by_text("came back from a file, which does not hold its moves")).to_be_visible()
        page.get_by_role("button", name="Run it again").first.click()
        expect(page.get_by_text("It came back from a file.")).to_have_count(2)
        expect(page.locator(".unfold > *").first).to_be_visible()  # walked here, it has its moves
    with visit(browser, f"{address}/Explain") as other:
        settle(other, "Explain")
        other.get_by_role("radio", name="Upload").click()
        other.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
        expect(other.get_by_text("1 run on coffee.png opened")).to_be_visible()
        expect(other.locator(".lane[data-status=done][data-method=samp]")).to_have_count(1)
        expect(other.get_by_text("It came back from a file.")).to_be_visible()
        assert other.locator(".lane").evaluate_all(frames) == shown[:1]
        follow(other, "Compare")
        settle(other, "Compare")
        other.get_by_role("button", name="Watch them on the stage").click()
        settle(other, "Explain")
        expect(other.locator(".lane[data-status=done][data-method=samp]")).to_have_count(1)


def test_nothing_is_written_down_for_whoever_wants_that(browser: Browser, address: str, place) -> None:
    with visit(browser, f"{address}/Library") as page:
        settle(page, "Library")
        page.get_by_role("button", name="What is remembered").click()
        page.get_by_text("Remember results and uploads").click()
        settle(page, "Library")
        before = sorted(p.name for p in (place / "library").glob("*.samp"))
        run(page, f"{address}/Compare?methods=gradient&photo=rocket")
        page.reload()
        settle(page, "Compare")
        expect(page.get_by_text("The last result is gone")).to_be_visible()
        assert sorted(p.name for p in (place / "library").glob("*.samp")) == before


def test_files_in_the_folder_are_whole(place) -> None:
    files = list((place / "library").glob("*.samp"))
    assert files
    assert all(unpack(file.read_bytes()).photo is not None for file in files)
    assert Library(place / "library").records() == []  # nobody's
