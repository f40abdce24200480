"""Photograph the running app for the README: ``python assets/take_screenshots.py http://127.0.0.1:8501``.

Needs the app to be running and Chromium on the search path.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page, expect, sync_playwright
from safetensors.torch import save_file
from torchvision.models import get_model  # type: ignore[import-untyped]

FOLDER = Path(__file__).parent
LONG = 180_000  # ms
FRAMES = 26  # of the film


def keep(page: Page, name: str) -> None:
    """Save what the page shows as a small picture."""
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(FOLDER / f"{name}.webp", quality=86)


THREE = [
    (0.3, 0.25),
    (0.5, 0.2),
    (0.68, 0.3),
    (0.6, 0.42),
    (0.45, 0.48),
    (0.62, 0.55),
    (0.7, 0.68),
    (0.55, 0.82),
    (0.3, 0.75),
]


def draw(page: Page, box: FloatRect | None) -> None:
    """Draw a digit by mouse."""
    assert box is not None
    (x, y), *others = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in THREE]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()


expect.set_options(timeout=LONG)


def lesson(browser: Browser, address: str) -> None:
    """Draw a path and a digit on Learn."""
    page = browser.new_page(viewport={"width": 1440, "height": 1080}, color_scheme="light")
    page.set_default_timeout(LONG)
    page.goto(f"{address}/Learn?scene=paths&path=[[0.2,0.6],[0.7,0.8]]")
    expect(page.get_by_text("Your path has 2 points")).to_be_visible()
    page.get_by_role("button", name="Show me").click()
    page.wait_for_timeout(2500)
    keep(page, "learn_light")
    page.goto(f"{address}/Learn?scene=digits&digit=draw")
    sheet = page.locator(".sheet")
    expect(sheet).to_be_visible()
    page.wait_for_timeout(1500)
    draw(page, sheet.bounding_box())
    page.get_by_role("button", name="Show me").click()
    expect(page.get_by_text("What you just saw")).to_be_visible()
    page.wait_for_timeout(2500)
    keep(page, "digits_light")


def open_stage(browser: Browser, address: str, lanes: str, scheme: str, width: int, height: int) -> Page:
    """Run lanes on the cup of coffee until the ground of their plane is known."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page.set_default_timeout(LONG)
    page.add_init_script("localStorage.setItem('samp-tour', 'yes')")  # nobody is offered the tour in a picture
    page.goto(f"{address}/Explain?photo=coffee&lanes={lanes.replace('+', '%2B').replace(';', '%3B')}")
    expect(page.locator(".stage .lane")).to_have_count(lanes.count(";") + 1)
    page.wait_for_timeout(1500)
    page.get_by_role("button", name=re.compile("^Run")).first.click()
    expect(page.locator(".stage .lane[data-status=done]")).to_have_count(lanes.count(";") + 1)
    expect(page.locator(".plane canvas")).to_be_visible()
    expect(page.locator(".plane").get_by_role("button", name="Stop")).to_have_count(0)
    page.mouse.move(5, 5)
    page.wait_for_timeout(1500)
    return page


def set_clock(page: Page, share: float) -> None:
    """Move the clock of all lanes."""
    page.locator("input.clock").evaluate(
        "(range, at) => { range.value = at; range.dispatchEvent(new Event('input')); }", round(1000 * share)
    )
    page.wait_for_timeout(120)


def slow_motion(page: Page) -> None:
    """Photograph a move unfolded, with a pin and a region in the pictures."""
    set_clock(page, 0.35)
    box = page.locator(".lane .mapbox .box").first.bounding_box()
    assert box is not None
    x, y, side = box["x"], box["y"], box["width"]
    page.mouse.click(x + 0.5 * side, y + 0.45 * side)
    page.mouse.move(x + 0.3 * side, y + 0.2 * side)
    page.mouse.down()
    for across, down in ((0.7, 0.2), (0.75, 0.45), (0.5, 0.6), (0.28, 0.4)):
        page.mouse.move(x + across * side, y + down * side, steps=6)
    page.mouse.up()
    page.locator(".slowly").click()
    expect(page.locator(".unfold .card").first).to_be_visible()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(800)
    page.set_viewport_size({"width": 1440, "height": 2100})
    page.wait_for_timeout(1200)
    shot = Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB")
    shot.save(FOLDER / "slow_motion.webp", quality=84)
    page.locator(".slowly").click()
    page.get_by_role("button", name="Clear").click()
    page.set_viewport_size({"width": 1400, "height": 1500})
    page.wait_for_timeout(800)


def stage(browser: Browser, address: str) -> None:
    """Film two lanes being replayed, and photograph four."""
    page = open_stage(browser, address, "samp;ig,start=blur", "light", 1400, 1500)
    slow_motion(page)
    page.locator(".closer").evaluate("section => { section.style.display = 'none'; }")
    frames = []
    for k in range(FRAMES + 1):
        set_clock(page, k / FRAMES)
        shot = Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB")
        frames.append(shot.resize((900, round(900 * shot.height / shot.width)), Image.Resampling.LANCZOS))
    frames[0].save(
        FOLDER / "stage.webp", save_all=True, append_images=frames[1:] + [frames[-1]] * 8, duration=150, loop=0,
        quality=55, method=4,
    )  # fmt: skip
    page.close()
    page = open_stage(browser, address, "samp;samp++;samp-isotonic;ig,start=blur", "dark", 1440, 1120)
    set_clock(page, 0.62)
    page.wait_for_timeout(500)
    keep(page, "stage_dark")
    page.close()


def tune(browser: Browser, address: str) -> None:
    """Save nine settings of SAMP, as maps and as numbers."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
    page.set_default_timeout(LONG)
    page.goto(f"{address}/Tune?photo=coffee")
    page.get_by_role("button", name="Momentum and constraint").click()
    expect(page.get_by_text("for 9 settings")).to_be_visible()
    page.get_by_role("button", name="Sweep", exact=True).click()
    expect(page.get_by_role("tab", name="By knob")).to_be_visible()
    page.locator("select.columns").select_option("5")
    page.set_viewport_size({"width": 1440, "height": 1750})
    page.wait_for_timeout(2500)
    keep(page, "tune_light")
    page.close()


def library(browser: Browser, address: str) -> None:
    """Make some results and photograph the shelf that they come to."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
    page.set_default_timeout(LONG)
    for link in (
        "photo=coffee&methods=samp+ig+grad-cam",
        "photo=rocket&methods=samp+ig+blur-ig",
        "photo=astronaut&methods=samp+guided-ig+smoothgrad",
        "photo=motorcycle&methods=samp+samp-steady+ig",
        "methods=samp+ig+grad-cam",
    ):
        page.goto(f"{address}/Compare?{link}")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_role("tab", name="Export")).to_be_visible()
        page.wait_for_timeout(3000)  # until it is written down
    page.goto(f"{address}/Library")
    for number, (name, tags) in enumerate((("A cat by three methods", "lesson 1"), ("Steadier?", "copies, to do"))):
        card = page.locator("[class*='st-key-record-']").nth(number)
        card.get_by_role("button", name="More").click()
        page.get_by_role("textbox", name="Name").fill(name)
        page.get_by_role("textbox", name="Tags").fill(tags)
        page.get_by_role("button", name="Save").click()
        expect(card).to_contain_text(name)
        page.wait_for_timeout(1000)
    page.locator("h1").click()
    page.wait_for_timeout(1500)
    keep(page, "library_light")


def models(browser: Browser, address: str) -> None:
    """Bring a network of one's own (untrained, which its answer shows) and photograph what is said of it."""
    with TemporaryDirectory() as folder:
        weights, labels = Path(folder, "birds.safetensors"), Path(folder, "labels.txt")
        save_file(get_model("resnet18", weights=None, num_classes=37).state_dict(), weights)
        labels.write_text("\n".join(f"bird {k}" for k in range(37)))
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
        page.set_default_timeout(LONG)
        page.goto(f"{address}/Models?photo=coffee")
        box = page.get_by_role("combobox", name="Architecture")
        box.click()
        box.fill("resnet18")
        page.get_by_role("option", name="resnet18", exact=True).click()
        page.get_by_role("tab", name="Weights of my own").click()
        for place, file in (("weights", weights), ("labels", labels)):
            page.locator(f".st-key-models-{place} [data-testid=stFileUploaderDropzoneInput]").set_input_files(file)
            page.wait_for_timeout(2500)
        page.get_by_role("button", name="Use these weights").click()
        expect(page.get_by_text("is in use on every page")).to_be_visible()
        page.get_by_role("tab", name="Weights of my own").click()
        page.get_by_role("button", name="Which methods serve it?").click()
        expect(page.get_by_text("methods serve it:")).to_be_visible()
        page.wait_for_timeout(2500)
        keep(page, "models_light")


def numbers(browser: Browser, address: str) -> None:
    """Compare the path methods, and measure a few others."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page.set_default_timeout(LONG)
    page.goto(f"{address}/Compare")
    run = page.get_by_role("button", name="Run", exact=True)
    run.click()
    expect(page.get_by_role("tab", name="Agreement")).to_be_visible()
    page.wait_for_timeout(1200)
    keep(page, "compare_dark")
    page.goto(f"{address}/Metrics")
    page.get_by_role("radio", name="Fast").or_(page.get_by_role("button", name="Fast")).first.click()
    expect(page.get_by_text("for 4 methods")).to_be_visible()
    measure = page.get_by_role("button", name="Measure", exact=True)
    measure.click()
    expect(page.get_by_text("How a number was made")).to_be_visible()
    expect(measure).to_be_visible()  # all is measured: what follows should not compete with it
    page.set_viewport_size({"width": 1440, "height": 1850})
    page.wait_for_timeout(2500)
    keep(page, "metrics_dark")


def main(address: str) -> None:
    """Take the stage as a film and still, then Compare, Metrics, Tune, the Library, Models and Learn."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        stage(browser, address)
        numbers(browser, address)
        tune(browser, address)
        library(browser, address)
        models(browser, address)
        lesson(browser, address)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
