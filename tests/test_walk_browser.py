"""Walking through the app in a real browser, cold: every way from page to page, links, reloads, Back, the camera."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from samp_core.images import load_image, load_sample, sha256
from tests.serving import LONG, ROOT, quiet, serve, visit, watch
from ui.shared.frame import PAGES

NAMES = tuple(PAGES.values())
# Every widget with what it shows, by its key.
_WIDGETS = """() => Object.fromEntries(
    [...document.querySelectorAll('[data-testid=stElementContainer][class*="st-key-"]')].filter(
        (e) => !e.querySelector('.stPlotlyChart')
    ).map((e) => [
        e.className.match(/st-key-\\S+/)[0],
        [e.innerText.trim(), ...[...e.querySelectorAll('input, [aria-checked]')].map((i) =>
            i.type === 'checkbox' || i.type === 'radio' ? i.checked : i.getAttribute('aria-checked') ?? i.value)],
    ]))"""


def settle(page: Page, name: str) -> None:
    """Wait until a page is there and at rest, with nothing raised."""
    rest(page, name)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def rest(page: Page, name: str) -> None:
    expect(page).to_have_title(f"{name} - SAMP Studio")
    quiet(page, 150)


def follow(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()


def address_of(url: str, name: str) -> str:
    return url if name == "Home" else f"{url}/{name}"


def query(page: Page) -> str:
    return page.url.partition("?")[2]


@pytest.fixture(scope="module")
def tabs(browser) -> Iterator[list[Page]]:
    """Open as many tabs as there are other pages; whatever a tab goes to by its address is a new session."""
    with visit(browser) as page:
        yield [page, *(page.context.new_page() for _ in NAMES[2:])]


@pytest.fixture(scope="module")
def cold() -> dict[str, dict[str, Any]]:
    """Return what each page's widgets show where it is first met."""
    return {}


@pytest.mark.parametrize("start", NAMES)
def test_every_way_from_page_to_page_leaves_every_setting_as_published(tabs, cold, address, start):
    found: list[str] = []

    def look(page: Page, name: str, way: str) -> None:
        quiet(page, 150, watched=True)
        if page.get_by_test_id("stException").count():
            found.append(f"{way}: {page.get_by_test_id('stException').first.inner_text()}")
        if page.evaluate("window.cameras"):
            found.append(f"{way}: the camera was switched on")
        if name in ("Compare", "Metrics") and not page.get_by_text("All settings as published.").count():
            found.append(f"{way}: the settings are not as published")
        widgets = page.evaluate(_WIDGETS)
        expected = cold.setdefault(name, widgets)
        found.extend(
            f"{way}: {key} shows {widgets.get(key)}, elsewhere {expected.get(key)}"
            for key in sorted(widgets.keys() | expected.keys())
            if widgets.get(key) != expected.get(key)
        )

    ends = [name for name in NAMES if name != start]
    for page in tabs:
        page.set_default_timeout(LONG)
        page.goto(address_of(address, start), wait_until="commit")
    for page in tabs:
        expect(page).to_have_title(f"{start} - SAMP Studio")
        watch(page)
    for page in tabs:
        look(page, start, start)
    for page, end in zip(tabs, ends, strict=True):
        follow(page, end)
    for page, end in zip(tabs, ends, strict=True):
        expect(page).to_have_title(f"{end} - SAMP Studio")
        watch(page)
    for page, end in zip(tabs, ends, strict=True):
        look(page, end, f"{start}, {end}")
        page.keyboard.press("r")  # one more run of the script
    tabs[-1].wait_for_timeout(100)
    for page in tabs:
        watch(page)
    for page, end in zip(tabs, ends, strict=True):
        look(page, end, f"{start}, {end}, again")
        assert query(page) in ("", "scene=paths")
        page.goto("about:blank")
    assert not found, "\n".join(found)
    assert cold[start]


def test_what_is_opened_on_a_server_that_has_just_started_stays_open(browser, tmp_path):
    with serve(ROOT / "app.py", tmp_path / "log") as cold, visit(browser, f"{cold}/Compare") as page:
        settle(page, "Compare")
        page.get_by_role("button", name="Choose methods").click()
        page.locator("button.card[data-method=occlusion]").click()
        expect(page.locator(".chosen")).to_have_count(7)
        settle(page, "Compare")
        expect(page.get_by_role("button", name="Choose methods")).to_have_attribute("aria-expanded", "true")
        page.locator("button.card[data-method=samp]").click()
        expect(page.locator(".chosen")).to_have_count(6)


def test_a_link_brings_everything_back_on_every_page_and_by_every_way(browser, address):
    link = "photo=coffee&class=cup&score=probability&methods=samp+ig&samp.momentum=0.3&samp.ic=1%2F20"
    link += "&metrics=gap+concentration"
    with visit(browser, f"{address}/Compare?{link}") as page:

        def holds(name: str) -> None:
            settle(page, name)
            assert {part for part in query(page).split("&") if "scene" not in part} == set(link.split("&"))
            if name in ("Home", "Learn"):
                return
            bar = page.get_by_test_id("stSidebar")
            expect(bar.get_by_text("coffee.png, 600 x 400 pixels")).to_be_attached()
            expect(bar.get_by_role("radio", name=re.compile("^cup"))).to_be_checked()
            expect(bar.get_by_role("combobox", name="Explained score")).to_have_value("Probability")
            if name != "Explain":
                expect(
                    page.get_by_text("Not as published: SAMP (momentum 0.3, not 0; IC tolerance 1/20, not off).")
                ).to_be_visible()
                expect(page.get_by_text("insertion paths start at different images")).to_be_visible()
                expect(page.locator(".chosen[data-method]")).to_have_text(["SAMP×", "Integrated Gradients×"])
            if name == "Metrics":
                expect(page.locator(".chosen[data-metric=concentration]")).to_be_visible()

        holds("Compare")
        for name in ("Metrics", "Explain", "Learn", "Home", "Compare"):
            follow(page, name)
            holds(name)
        page.reload()
        holds("Compare")
        follow(page, "Home")
        holds("Home")
        page.get_by_role("button", name="Start the lesson").click()
        settle(page, "Learn")
        page.get_by_role("button", name="Next", exact=True).click()
        expect(page.get_by_role("heading", name="Which path should we prefer?")).to_be_visible()
        page.locator(".st-key-prefer-ic input[type=range]").press("Home")  # a setting that Streamlit itself binds
        expect(page).to_have_url(re.compile("prefer-ic"))
        settle(page, "Learn")
        page.get_by_role("button", name="Try it on a photo").click()
        settle(page, "Explain")
        assert "photo=coffee" in query(page)
        assert "prefer-ic" not in query(page)
        follow(page, "Metrics")
        settle(page, "Metrics")
        expect(page.get_by_text("Not as published: SAMP (momentum 0.3")).to_be_visible()


def test_a_bad_link_is_a_word_and_no_more(browser, address):
    bad = "photo=nobody&class=%3Cb%3E&network=x&methods=samp+none&samp.steps=nan&ig.steps=99999&metrics=x&result=y"
    bad += "&box-x=1"
    for name in ("Compare", "Metrics"):
        with visit(browser, f"{address}/{name}?{bad}&foreign=1") as page:
            settle(page, name)
            expect(page.get_by_text("is not possible here").first).to_be_visible()
            expect(page.get_by_text("All settings as published.")).to_be_visible()
            expect(page.get_by_text("chelsea.png, 451 x 300 pixels")).to_be_attached()
            page.keyboard.press("r")
            page.wait_for_timeout(100)
            settle(page, name)
            assert "foreign=1" in query(page)  # which is none of ours
            assert not {"photo", "class", "network", "methods"} & set(re.findall(r"(\w+)=", query(page)))


def test_back_and_forward_take_back_and_redo_what_was_set(browser, address):
    with visit(browser, f"{address}/Compare") as page:
        settle(page, "Compare")
        page.get_by_role("button", name="Coffee").click()
        expect(page).to_have_url(re.compile("photo=coffee"))
        settle(page, "Compare")
        follow(page, "Metrics")
        settle(page, "Metrics")
        page.go_back()
        settle(page, "Compare")
        expect(page.get_by_text("coffee.png, 600 x 400 pixels")).to_be_visible()
        page.go_back()
        expect(page.get_by_text("chelsea.png, 451 x 300 pixels")).to_be_visible()
        settle(page, "Compare")
        assert not query(page)
        page.go_forward()
        expect(page.get_by_text("coffee.png, 600 x 400 pixels")).to_be_visible()
        assert query(page) == "photo=coffee"


# How much of the page moved, and how far: the browser's own measure, https://web.dev/articles/cls.
# A tab that two tests had begins with it twice, and counts once.
_SHIFTS = """if (!window.shifts) {
    window.shifts = [];
    new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))
        .observe({ type: "layout-shift", buffered: true });
}"""


def shifted(page: Page) -> float:
    """Return the layout shift since the last question, whatever brought it about."""
    page.wait_for_timeout(300)
    found: float = page.evaluate("() => window.shifts.splice(0).reduce((sum, value) => sum + value, 0)")
    return found


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_jumps_when_a_run_begins_ends_or_goes_stale(browser, address, width):
    shifts: dict[str, float] = {}
    with visit(browser, width=width) as page:
        page.add_init_script(_SHIFTS)
        page.goto(f"{address}/Explain?photo=coffee&lanes=samp,steps%3D5;ig,steps%3D4")
        settle(page, "Explain")
        assert shifted(page) > 0  # of the first drawing, so that the measure is known to work
        page.get_by_role("button", name=re.compile("^Run")).first.click()
        shifts["a stage begins"] = shifted(page)
        expect(page.locator(".lane[data-status=done]")).to_have_count(2)
        settle(page, "Explain")
        shifts["a stage ends"] = shifted(page)
        assert all(value < 0.1 for value in shifts.values()), shifts
        if width < 1000:
            return
        page.goto(f"{address}/Compare?photo=coffee&methods=gradient+ig&ig.steps=4")
        settle(page, "Compare")
        shifted(page)
        page.get_by_role("button", name="Run", exact=True).click()
        shifts["a comparison begins"] = shifted(page)
        expect(result(page)).to_be_visible()
        settle(page, "Compare")
        shifts["a comparison ends"] = shifted(page)
        page.get_by_test_id("stSidebar").get_by_text(re.compile("^cup")).first.click()
        expect(page.get_by_text("The choice differs")).to_be_visible()
        settle(page, "Compare")
        shifts["a comparison goes stale"] = shifted(page)
        page.goto(f"{address}/Metrics?photo=coffee&methods=gradient+edges&metrics=concentration")
        settle(page, "Metrics")
        shifted(page)
        page.get_by_role("button", name="Measure", exact=True).click()
        shifts["a measuring begins"] = shifted(page)
        expect(page.get_by_role("heading", name="How a number was made")).to_be_visible()
        settle(page, "Metrics")
        shifts["a measuring ends"] = shifted(page)
    assert all(value < 0.1 for value in shifts.values()), shifts


# A reader leaves by the navigation, and in the same moment the page's view tells what has arrived.
_LEAVE = """([name, view]) => {
    const links = [...document.querySelectorAll('[data-testid=stSidebar] a')];
    links.find((link) => link.innerText.trim() === name).click();
    window[view].view.report("have", { mount: "a view", number: 1e6, counts: {}, missing: false });
}"""


def test_what_a_page_says_while_it_is_left_does_not_empty_the_next_one(browser, address):
    with visit(browser, f"{address}/Explain") as page:
        broken: list[Any] = []

        def note(error: Any) -> None:  # playwright cannot call a list's own append
            broken.append(error)

        page.on("pageerror", note)
        here = "Explain"
        for name, view in (("Compare", "sampStage"), ("Metrics", "sampGrid"), ("Explain", None), ("Home", "sampStage")):
            settle(page, here)
            if view is None:
                follow(page, name)
            else:
                page.wait_for_function(f"() => window.{view} && window.{view}.view && window.{view}.view.report")
                page.evaluate(_LEAVE, [name, view])
            settle(page, name)
            page.wait_for_timeout(300)
            settle(page, name)
            expect(page.get_by_test_id("stSidebar").get_by_role("link", name="Learn", exact=True)).to_be_visible()
            expect(page.get_by_test_id("stMain").get_by_role("heading").first).to_be_visible()
            here = name
        assert not broken


@pytest.fixture(scope="module")
def my_cup(tmp_path_factory):
    photo = tmp_path_factory.mktemp("photos") / "my cup.png"
    load_sample("coffee").rotate(90).save(photo)
    return photo


def upload(page: Page, photo: Path) -> None:
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(photo)
    expect(page.get_by_text("my cup.png, 600 x 400 pixels")).to_be_visible()


def result(page: Page) -> Locator:
    return page.get_by_role("tab", name="Export")


def test_an_upload_and_a_result_outlive_a_reload(browser, address, my_cup):
    with visit(browser, f"{address}/Compare?methods=gradient") as page:
        settle(page, "Compare")
        page.get_by_role("radio", name="Upload").click()
        upload(page, my_cup)
        settle(page, "Compare")
        page.get_by_test_id("stSidebar").get_by_role("radio").nth(4).check(force=True)
        expect(page).to_have_url(re.compile(r"photo=my\+cup\.png~[0-9a-f]{8}.*class=|class=.*photo=my\+cup\.png~"))
        page.get_by_role("button", name="Run", exact=True).click()
        expect(result(page)).to_be_visible()
        settle(page, "Compare")
        follow(page, "Metrics")
        settle(page, "Metrics")
        expect(page.get_by_text("my cup.png, 600 x 400 pixels")).to_be_visible()
        follow(page, "Compare")
        settle(page, "Compare")
        expect(result(page)).to_be_visible()
        asked = query(page)
        follow(page, "Library")
        settle(page, "Library")
        expect(page.get_by_text("Gradient on my cup.png")).to_be_visible()

        for tab in (page, page.context.new_page()):
            tab.goto(f"{address}/Compare?{asked}")
            settle(tab, "Compare")
            expect(result(tab)).to_be_visible()
            expect(tab.get_by_text("my cup.png, 600 x 400 pixels")).to_be_visible()
            expect(tab.get_by_role("img", name="the chosen photo, my cup.png")).to_be_visible()
            expect(tab.get_by_text("is gone").or_(tab.get_by_text("Choose the file again"))).to_have_count(0)
            expect(tab.get_by_text("The choice differs")).to_have_count(0)
            assert query(tab) == asked


def test_what_another_browser_has_is_said_to_be_lost(browser, address, my_cup):
    asked = f"methods=gradient&photo=my+cup.png~{sha256(load_image(my_cup))[:8]}&class=cup&result=compare"
    with visit(browser, f"{address}/Library") as page:
        settle(page, "Library")
        expect(page.get_by_text("Nothing is here yet")).to_be_visible()
        page.goto(f"{address}/Compare?{asked}")
        settle(page, "Compare")
        gone, lost = page.get_by_text("Choose the file again"), page.get_by_text("The last result is gone")
        expect(gone).to_be_visible()
        expect(page.get_by_test_id("stAlert").filter(has_text="my cup.png")).to_be_visible()
        expect(lost).to_be_visible()
        assert sorted(query(page).split("&")) == sorted(asked.split("&"))
        upload(page, my_cup)
        expect(gone).to_have_count(0)
        settle(page, "Compare")
        assert sorted(query(page).split("&")) == sorted(asked.split("&"))  # the class, too
        page.get_by_role("button", name="Run", exact=True).click()
        expect(lost).to_have_count(0)
        expect(result(page)).to_be_visible()


def test_the_camera_is_switched_on_by_its_tab_and_a_switch_and_by_nothing_else(browser, address):
    with visit(browser, f"{address}/Compare", width=390) as page:
        settle(page, "Compare")
        page.get_by_test_id("stExpandSidebarButton").click()
        page.get_by_role("radio", name="Camera").click()
        switch = page.get_by_role("switch", name="Use the camera").or_(
            page.get_by_role("checkbox", name="Use the camera")
        )
        expect(switch).to_be_attached()
        settle(page, "Compare")
        assert page.evaluate("window.cameras") == 0
        page.get_by_text("Use the camera").click()
        for _ in range(100):  # the page's security policy forbids waiting in the browser for a condition
            if page.evaluate("window.cameras"):
                break
            page.wait_for_timeout(100)
        assert page.evaluate("window.cameras") > 0
        follow(page, "Metrics")
        settle(page, "Metrics")
        before = page.evaluate("window.cameras")
        page.wait_for_timeout(500)
        assert page.evaluate("window.cameras") == before  # off again on another page
        expect(switch).not_to_be_checked()


def test_the_picker_says_when_paths_start_at_different_images():
    from samp_core.methods import default_settings
    from ui.shared.picker import starts

    assert not starts([default_settings("samp"), default_settings("samp++"), default_settings("gradient")])
    (words,) = starts([default_settings("samp"), default_settings("ig"), default_settings("blur-ig")])
    assert "SAMP: gaussian blur; Integrated Gradients: zero" in words
