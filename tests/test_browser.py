"""The real app in a real browser: what a visitor does in the first five minutes."""

from __future__ import annotations

import http.client
import io
import re
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from samp_core.images import load_sample
from tests.serving import LONG, quiet, visit
from ui.shared.server import policy


def barriers(page: Page, only: tuple[str, ...] = ()) -> list[str]:
    """Return what axe finds to be a serious barrier on the page at rest: what is about to go is drawn fainter.

    All of its rules are asked, or ``only`` some; what it finds to be right is not written down, which takes it longer
    than looking.
    """
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(only)} if only else {})
    expect(page.get_by_role("button", name=re.compile("^Cancel"))).to_have_count(0)
    quiet(page)
    if page.evaluate("typeof axe === 'undefined'"):  # once a page: it is half a megabyte of script
        page.evaluate(Axe().axe_script)
    return [
        f"{violation['id']}: {[node['html'][:120] for node in violation['nodes']]}"
        for violation in page.evaluate("options => axe.run(options)", options)["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


def at_rest(page: Page) -> None:
    """Wait until the script is done and what it drew is there."""
    quiet(page)


def places(page: Page) -> list[float]:
    """Return where every card of the grid begins, down from the top of the window."""
    page.wait_for_timeout(300)
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
    # In one look, and at a frame, when people see it: a card that is drawn anew between two would be gone, and what is
    # being put together has no place yet. A table that was taken out of the page meanwhile is looked for once more.
    look = """all => new Promise((done) => requestAnimationFrame(() => done(
        all.isConnected ? [...all.querySelectorAll('.card')].map(c => c.getBoundingClientRect().y) : null)))"""
    for _ in range(50):
        found = page.locator(".cards").evaluate(look)
        if found is not None:
            return found
        page.wait_for_timeout(100)
    pytest.fail("the cards are not in the page")


def download(page: Page, name: str) -> bytes:
    button = page.get_by_role("button", name=name)
    expect(button).to_have_count(1)  # for a moment, the tab that was left may show its own
    with page.expect_download() as waiting:
        button.click()
    return Path(waiting.value.path()).read_bytes()


def open_explain(page: Page, address: str) -> None:
    page.goto(f"{address}/Explain")
    expect(page.get_by_role("button", name="Run all lanes")).to_be_visible()
    expect(page.locator(".stage img.state").first).to_be_visible()


NAME = "![x](http:&#47;&#47;127.0.0.2&#47;a) :red[r] :cat: :material_home: $m$ www.e.com a@b.co -- _i_ `c` <b>.png"


def test_names_are_text_and_uploads_last(page, address, tmp_path):
    files = {"good": tmp_path / NAME, "text": tmp_path / "notes.txt", "empty": tmp_path / "empty.png"}
    load_sample("coffee").save(files["good"])
    files["text"].write_text("no photo")
    files["empty"].touch()
    open_explain(page, address)
    page.get_by_role("radio", name="Upload").or_(page.get_by_role("button", name="Upload")).first.click()
    chooser = page.get_by_test_id("stFileUploaderDropzoneInput")
    caption = page.get_by_test_id("stSidebar").get_by_test_id("stCaptionContainer").filter(has_text="pixels")

    def name() -> str:
        return caption.inner_text().replace("\N{WORD JOINER}", "")

    chooser.set_input_files(files["text"])
    expect(page.get_by_text("files are not allowed")).to_be_visible()
    chooser.set_input_files(files["empty"])
    expect(page.get_by_text("The file holds no bytes")).to_be_visible()
    assert name() == "chelsea.png, 451 x 300 pixels"
    chooser.set_input_files(files["good"])
    expect(caption).to_contain_text("600 x 400 pixels")
    assert name() == f"{NAME}, 600 x 400 pixels"
    assert not caption.locator("a, img, em, code, span, .katex").count()
    expect(page.get_by_text(re.compile("not allowed|holds no bytes"))).to_have_count(0)  # said of other files

    for other in ("Compare", "Explain"):
        page.get_by_test_id("stSidebar").get_by_role("link", name=other).click()
        expect(page.get_by_role("heading", name=other, level=1)).to_be_visible()
        expect(caption).to_contain_text("600 x 400 pixels")
        assert name() == f"{NAME}, 600 x 400 pixels"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_thumbnail_under_the_pointer_shows_its_photo(page, address, scheme):
    page.emulate_media(color_scheme=scheme)
    open_explain(page, address)
    for sample in ("Cat", "Coffee"):
        button = page.get_by_test_id("stSidebar").get_by_role("button", name=sample, exact=True)
        page.mouse.move(900, 500)
        page.wait_for_timeout(400)
        still = np.asarray(Image.open(io.BytesIO(button.screenshot())).convert("RGB"), int)
        button.hover()
        page.wait_for_timeout(400)
        hovered = np.asarray(Image.open(io.BytesIO(button.screenshot())).convert("RGB"), int)
        assert still.std() > 30
        assert np.abs(hovered - still).mean() < 15


def handshake(address: str, **headers: str) -> int:
    """Return what the server answers to one who wants to open a session; 101 is yes."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    connection.request("GET", "/_stcore/stream", headers={**upgrade, "Sec-WebSocket-Key": "A" * 22 + "==", **headers})
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_server_says_what_a_page_may_load_and_refuses_foreign_sessions(address):
    with urllib.request.urlopen(f"{address}/Explain", timeout=30) as answer:
        assert answer.headers["Content-Security-Policy"] == policy()
    assert handshake(address) == 101  # a program on this machine
    assert handshake(address, Origin=address) == 101
    assert handshake(address, Origin="http://foreign.example") == 403
    assert handshake(address, Host="foreign.example", Origin="http://foreign.example") == 403
    assert handshake(address, Host="foreign.example") == 403


def test_metrics_with_a_drawn_box_and_a_clicked_number(page, address):
    page.goto(f"{address}/Metrics?network=mnist_cnn")
    drawings = page.locator("img.sketch")
    expect(drawings).to_have_count(6)
    quiet(page)
    assert drawings.evaluate_all("images => images.every(image => image.complete && image.naturalWidth > 0)")
    page.get_by_role("radio", name="Fast").or_(page.get_by_role("button", name="Fast")).first.click()
    expect(page.get_by_text("for 4 methods")).to_be_visible()
    names = page.locator(".st-key-metrics-names")
    names.get_by_role("button", name=re.compile("clear", re.I)).click()
    expect(page.get_by_text("Choose at least one metric.")).to_be_visible()
    add_metrics(page, "localisation", "gap")
    expect(page.get_by_text("Draw a box on the photo")).to_be_visible()
    drag = page.locator(".js-plotly-plot .draglayer .nsewdrag").first
    drag.wait_for(timeout=LONG)
    wanted = page.get_by_text("Draw a box on the photo")
    for _ in range(8):  # a picture that is being drawn anew does not feel the pointer
        page.wait_for_timeout(2500)
        if not wanted.count():
            break
        area = drag.bounding_box()
        page.mouse.move(area["x"] + 0.2 * area["width"], area["y"] + 0.1 * area["height"])
        page.mouse.down()
        for part in (0.4, 0.6, 0.8):
            page.mouse.move(area["x"] + part * area["width"], area["y"] + part * area["height"], steps=4)
        page.mouse.up()
    expect(wanted).to_have_count(0)
    page.get_by_role("button", name="Measure", exact=True).click()
    expect(page.get_by_text("How a number was made")).to_be_visible()
    expect(page.get_by_text("a ring around the largest attribution")).to_be_visible()
    expect(drawings).to_have_count(2)
    assert not barriers(page)
    numbers = page.get_by_test_id("stDataFrame").locator("canvas").first
    numbers.scroll_into_view_if_needed()
    table = numbers.bounding_box()
    page.mouse.click(table["x"] + table["width"] - 40, table["y"] + 55)  # the last number of the first method
    expect(page.get_by_text(re.compile("SAMP, Completeness gap"))).to_be_visible()


def add_metrics(page: Page, *names: str) -> None:
    """Press the cards of these metrics."""
    page.get_by_role("button", name="Choose metrics").click()
    for name in names:
        page.locator(f"button.card[data-metric={name}]").click()
    page.keyboard.press("Escape")
    at_rest(page)


def test_what_copies_agree_on_is_shown_alone(page, address):
    methods = "network=mnist_cnn&methods=samp-instant+gradient&samp-instant.copies=3&samp-instant.steps=3"
    page.goto(f"{address}/Compare?photo=coffee&{methods}")
    firm = page.get_by_role("checkbox", name="firm only")
    expect(page.locator(".cards .card").nth(2)).to_be_visible()
    expect(firm).to_be_hidden()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("tab", name="Agreement")).to_be_visible()
    pixels = "(all) => all.map((c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data])"
    maps = page.locator(".cards canvas")
    expect(maps).to_have_count(2)
    before = maps.evaluate_all(pixels)
    firm.check()
    expect(page.locator("p.words")).to_contain_text("Bare: pixels")
    after = maps.evaluate_all(pixels)
    changed = [np.mean(np.array(a) != np.array(b)) for a, b in zip(before, after, strict=True)]
    assert 0.05 < changed[0] < 0.9
    assert changed[1] == 0  # of one copy nothing is known
    firm.uncheck()
    assert maps.evaluate_all(pixels) == before


def test_a_point_of_the_trade_off_shows_its_map_and_leads_to_the_stage(page, address):
    page.goto(f"{address}/Compare?photo=coffee&network=mnist_cnn&methods=gradient+samp&samp.steps=3")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("tab", name="Trade-off").click()
    expect(page.get_by_text("Point at a map's number to see the map here.")).to_be_visible()
    at_rest(page)
    first = page.locator(".st-key-trade-off .scatterlayer .point").first
    first.scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # the picture's place looks now and then which plot is there
    box = first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    expect(page.get_by_role("img", name=re.compile("^Gradient: "))).to_be_visible()
    page.mouse.move(5, 5)
    expect(page.get_by_role("img", name=re.compile("^Gradient: "))).to_have_count(0)
    point = page.locator(".st-key-trade-off .scatterlayer .point").last
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_role("img", name=re.compile("^SAMP: "))).to_be_visible()
    page.get_by_role("button", name="Onto the stage").click()
    expect(page.locator(".stage .lane")).to_have_count(3)
    expect(page.locator(".stage .lane").last).to_contain_text("3 steps")


def test_runs_travel_as_a_file(page, address, browser, tmp_path):
    methods = (
        "network=mnist_cnn&methods=samp+ig+gradient&samp.momentum=0.3&ig.steps=6&also=ig,steps%3D9&score=probability"
    )
    page.goto(f"{address}/Compare?photo=coffee&{methods}")
    expect(page.locator(".cards .card")).to_have_count(5)
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("tab", name="Export").click(timeout=LONG)
    page.get_by_role("switch", name="Photo inside").press("Space")
    at_rest(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Runs (.samp)").click()
    file = tmp_path / "coffee.samp"
    download.value.save_as(file)
    pixels = "(all) => all.map((c) => c.toDataURL())"
    shown = page.locator(".cards canvas").evaluate_all(pixels)
    link = set(page.url.partition("?")[2].split("&"))

    # Somebody else, on another page, opens it: nothing is computed, and everything is as it was.
    with visit(browser, f"{address}/Explain") as other:
        upload = other.get_by_role("radio", name="Upload")
        upload.click()
        damaged = tmp_path / "damaged.samp"
        damaged.write_bytes(file.read_bytes()[:5000])
        other.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(damaged)
        expect(other.get_by_text("no file of runs, or it was damaged")).to_be_visible()
        other.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
        expect(other.get_by_text("4 runs on coffee.png opened")).to_be_visible()
        other.get_by_role("button", name="See them on Compare").click()
        expect(other.locator(".cards canvas")).to_have_count(4)
        expect(other.get_by_text("4 methods, all of them remembered")).to_be_visible()
        expect(other.get_by_text("The choice differs")).to_have_count(0)
        expect(other.get_by_role("combobox", name="Explained score")).to_have_value("Probability")
        assert other.locator(".cards canvas").evaluate_all(pixels) == shown
        assert link <= set(other.url.partition("?")[2].split("&"))


def test_methods_are_chosen_by_cards(page, address):
    page.goto(f"{address}/Compare")
    tray, cards = page.locator(".chosen"), page.locator("button.card[data-method]")
    expect(tray).to_have_count(6)  # of the preset
    at_rest(page)
    expect(tray.first.locator("svg")).to_be_visible()
    page.get_by_role("button", name="Choose methods").click()
    expect(page.locator("button.card[aria-pressed=true]")).to_have_count(6)
    # Faster than the server answers: nothing is lost, and the focus stays where it was.
    page.locator("button.card[data-method=occlusion]").click()
    page.locator("button.card[data-method=samp]").click()
    page.locator("button.card[data-method=edges]").focus()
    page.keyboard.press("Enter")
    expect(tray).to_have_count(7)
    expect(tray.last).to_contain_text("Edges")
    at_rest(page)
    expect(page.locator("button.card[data-method=edges]")).to_be_focused()
    expect(page.locator("button.card[aria-pressed=true]")).to_have_count(7)
    expect(cards.and_(page.locator("[data-method=samp]"))).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("radio", name="My choice")).to_be_checked()
    expect(page.get_by_text("for 7 methods")).to_be_visible()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove Occlusion").click()
    expect(tray).to_have_count(6)
    at_rest(page)
    assert "methods=samp%2B%2B+samp-steady+ig+blur-ig+guided-ig+edges" in page.url
    page.locator(".clear").click()
    expect(page.get_by_text("Choose at least one method.")).to_be_visible()
    expect(page.get_by_text("Nothing is chosen.")).to_be_visible()


def test_the_column_just_asked_for_is_in_sight(page, address):
    page.goto(f"{address}/Metrics?network=mnist_cnn")
    page.locator(".st-key-compare-tray .clear").click()
    expect(page.get_by_text("Choose at least one method.")).to_be_visible()
    page.get_by_role("button", name="Choose methods").click()
    page.locator("button.card[data-method=edges]").click()
    expect(page.locator(".chosen[data-method]")).to_have_count(1)
    page.keyboard.press("Escape")
    at_rest(page)
    measure, numbers = page.get_by_role("button", name="Measure", exact=True), "Numbers with protocols (csv)"
    measure.click()
    expect(page.get_by_role("button", name=numbers)).to_be_visible()
    table = page.get_by_test_id("stDataFrame").first
    before = table.bounding_box()["y"]
    add_metrics(page, "rise-curves")
    expect(page.get_by_text("Shown is the last measuring")).to_be_visible()
    assert table.bounding_box()["y"] == before
    measure.click()
    expect(page.get_by_text("Shown is the last measuring")).to_have_count(0)
    expect(page.get_by_role("button", name=numbers)).to_be_visible()
    assert table.bounding_box()["y"] == before
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        headings = table.locator("canvas th")  # of the columns that are in sight
        expect(headings.nth(1)).to_have_text("Deletion (RISE) ↓")
        expect(headings.first).to_have_text("Method")
        assert headings.count() < 16, "all columns fit, so none could have been hidden"
    assert "insertion minus deletion" in download(page, numbers).decode()


def enlarge_and_carry(page: Page, cards: Locator) -> None:
    """Look at a map large, and take settings to the stage and back."""
    samp = cards.filter(has=page.get_by_role("heading", name="SAMP", exact=True))
    expect(samp.locator(".settings")).to_have_text("14 steps, momentum 0, no IC, paper rule")
    enlarge = page.get_by_role("button", name="Enlarge SAMP")
    enlarge.press("Enter")
    expect(page.locator("dialog canvas")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    expect(enlarge).to_be_focused()
    page.get_by_role("button", name="Open Edges on the stage").click()
    expect(page.get_by_role("heading", name="Explain", level=1)).to_be_visible()
    expect(page.locator(".stage .lane")).to_have_count(3)
    expect(page.locator(".stage .lane").last).to_have_attribute("data-method", "edges")
    page.get_by_test_id("stSidebar").get_by_role("link", name="Compare").click()
    expect(page.locator(".cards canvas")).to_have_count(4)  # remembered, and sent to the new grid
    page.get_by_role("button", name="Add the stage's lanes").click()
    twin = cards.filter(has_text="press Run to see its map")
    expect(twin).to_have_count(1)
    expect(twin).to_contain_text("Integrated Gradients")
    expect(twin).to_contain_text("blur → photo")
    expect(page.get_by_text("for 5 methods")).to_be_visible()
    at_rest(page)
    twin.get_by_role("button", name="Remove").click()
    expect(twin).to_have_count(0)
    expect(page.get_by_text("4 methods, all of them remembered")).to_be_visible()


def calibrate_and_back(page: Page, grad_cam: Locator) -> None:
    """In the score's units all maps add up alike, on one scale of colours; and back to what the methods gave."""
    first, switch = page.locator(".cards canvas").first, page.get_by_role("switch", name="In the score's units")

    def expect_pixels(pixels: str, same: bool) -> None:
        for _ in range(100):
            if (first.evaluate("c => c.toDataURL()") == pixels) == same:
                return
            page.wait_for_timeout(100)
        pytest.fail("the map did not change" if not same else "the map is another")

    shown = first.evaluate("c => c.toDataURL()")
    switch.press("Space")
    expect(page.locator("p.words")).to_contain_text("Maps are calibrated")
    expect(grad_cam).not_to_contain_text("has none")
    expect(page.locator("select.scale")).to_be_disabled()
    expect(page).to_have_url(re.compile("units="))
    expect_pixels(shown, same=False)
    switch.press("Space")
    expect(grad_cam).to_contain_text("has none")
    expect(page.locator("p.words")).not_to_contain_text("calibrated")
    expect_pixels(shown, same=True)


def test_compare_side_by_side(page, address):
    page.goto(f"{address}/Compare")
    cards = page.locator(".cards .card")
    expect(cards.filter(has_text="Integrated Gradients")).to_contain_text("zero → photo")
    page.get_by_role("radio", name="Fast").or_(page.get_by_role("button", name="Fast")).first.click()
    expect(page.get_by_text("for 4 methods")).to_be_visible()
    expect(cards).to_have_count(5)

    # Neither a run nor a banner moves what is looked at.
    before = places(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("of 4 done")).to_be_visible()
    assert places(page) == before
    expect(page.get_by_text(re.compile("of 4 done, .*, about .* left"))).to_be_visible()
    # A map grows in its card while its path is walked.
    growing = page.locator(".card[data-method=samp][data-status=running], .card[data-method=ig][data-status=running]")
    canvas = growing.locator("canvas")
    expect(canvas).to_be_visible()
    assert "so far" in canvas.get_attribute("aria-label")
    expect(growing.locator("progress")).to_have_attribute("value", re.compile("0[.]"))
    expect(page.get_by_role("tab", name="Agreement")).to_be_visible()
    expect(page.locator(".cards canvas")).to_have_count(4)
    assert places(page) == before
    grad_cam = cards.filter(has=page.get_by_role("heading", name="Grad-CAM", exact=True))
    expect(grad_cam.locator(".place")).to_have_text(re.compile(r"^layer \S+$"))
    expect(grad_cam).to_contain_text("has none")
    expect(cards.filter(has=page.get_by_role("heading", name="SAMP", exact=True))).not_to_contain_text("has none")

    assert not barriers(page)

    # One choice of colours for all, said in words; nothing is asked of the server for it.
    first = page.locator(".cards canvas").first
    before = first.screenshot()
    page.locator("select.scale").select_option("rank")
    expect(page.locator("p.words")).to_contain_text("rank")
    page.wait_for_timeout(400)
    ranked = first.screenshot()
    assert ranked != before
    page.locator("input.zoom").evaluate("(r) => { r.value = 4; r.dispatchEvent(new Event('input')); }")
    page.wait_for_timeout(200)
    assert first.screenshot() != ranked

    calibrate_and_back(page, grad_cam)

    # Sorting puts the edges, which need no gradient, first.
    page.locator("select.order").select_option("gradients")
    expect(cards.nth(1)).to_contain_text("Edges")

    page.get_by_role("tab", name="Agreement").click()
    expect(page.get_by_text("Spearman's rank correlation")).to_be_visible()
    page.get_by_role("tab", name="Export").click()
    table = download(page, "Table (csv)").decode()
    assert len(table.splitlines()) == 5
    assert b"data:image/png;base64," in download(page, "Report (html)")
    assert download(page, "Figure (pdf)").startswith(b"%PDF")

    enlarge_and_carry(page, cards)


def test_nothing_jumps_in_compare_on_a_telephone(page, address):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/Compare")
    cards = page.locator(".cards .card")
    expect(cards).to_have_count(7)
    expect(page.get_by_text("for 6 methods")).to_be_visible()
    before = places(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("of 6 done")).to_be_visible()
    assert places(page) == before

    # One method can be taken off; the others go on until they are, too.
    page.get_by_role("button", name="Cancel Guided IG").click()
    guided = cards.filter(has=page.get_by_role("heading", name="Guided IG", exact=True))
    expect(guided).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Cancel Blur IG")).to_be_visible()
    page.get_by_role("button", name="Cancel all").click()
    expect(page.get_by_text("of 6 maps are here")).to_be_visible()
    assert places(page) == before

    # Another choice than the one shown is said where nothing moves for it.
    page.set_viewport_size({"width": 1440, "height": 1200})
    at_rest(page)
    page.locator(".st-key-score input").click()
    page.get_by_role("option", name="Log-probability").click()
    expect(page.get_by_text("differs from it")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    at_rest(page)
    assert places(page) == before


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_overflows(page, address, width):
    page.set_viewport_size({"width": width, "height": 844})
    pages = ("", "/Explain", "/Compare", "/Metrics", "/Tune", "/Learn", "/Learn?scene=digits", "/Learn?scene=trust")
    for path in pages:
        page.emulate_media(color_scheme="light")
        page.goto(address + path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if (button := {"/Compare": "Run", "/Tune": "Sweep"}.get(path)) is not None:  # as the page calls it
            expect(page.get_by_role("button", name=button, exact=True)).to_be_visible()
            expect(page.get_by_text(f"press {button} to see its map").first).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            quiet(page)
            for box in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
                assert page.evaluate(f"{box}.scrollWidth <= {box}.clientWidth + 1"), (path, scheme)
