"""Many photos in a real browser: uploads outlive their page, and nobody sees another's results."""

from __future__ import annotations

import io
import re

import pandas as pd
from playwright.sync_api import Page, expect

from samp_core.benchmark import Store
from samp_core.images import load_sample
from tests.serving import LONG, visit
from tests.test_browser import download


def open_many(page: Page, address: str) -> None:
    page.goto(f"{address}/Metrics?network=mnist_cnn")
    page.get_by_role("radio", name="Many photos").or_(page.get_by_role("button", name="Many photos")).first.click()
    expect(page.get_by_text("There are no results of this name yet")).to_be_visible()


def test_uploads_of_one_name_are_all_kept_and_results_are_ones_own(page, browser, address, tmp_path):
    open_many(page, address)
    metrics = page.locator(".st-key-bench-metrics-cards")
    for title in ("Deletion and insertion", "Completeness gap", "Concentration"):  # as published, untouched
        expect(metrics.get_by_text(title).first).to_be_visible()
    page.get_by_role("radio", name="Uploads").or_(page.get_by_role("button", name="Uploads")).first.click()
    files = []
    for k, (ending, kind) in enumerate([("png", "PNG")] * 4 + [("jpg", "JPEG")] * 2 + [("avif", "AVIF")]):
        buffer = io.BytesIO()
        load_sample("coffee").crop((k, 0, 300 + k, 300)).save(buffer, kind)
        files.append({"name": f"photo.{ending}", "mimeType": f"image/{kind.lower()}", "buffer": buffer.getvalue()})
    chooser = page.locator(".st-key-bench-uploads").get_by_test_id("stFileUploaderDropzoneInput")
    chooser.set_input_files([*files, {"name": "torn.png", "mimeType": "image/png", "buffer": b"nothing"}])
    expect(page.get_by_text("7 photos kept")).to_be_visible()
    expect(page.get_by_text("torn.png is left out")).to_be_visible()
    chooser.set_input_files([{**files[0], "name": "later.png"}])
    expect(page.get_by_text("8 photos kept")).to_be_visible()
    expect(page.get_by_text("torn.png is left out")).to_have_count(0)

    page.get_by_test_id("stSidebar").get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare", level=1)).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Metrics").click()
    expect(page.get_by_text("8 photos kept")).to_be_visible()

    page.get_by_label("At most so many photos").fill("1")
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="My choice").or_(page.get_by_role("button", name="My choice")).first.click()
    for title in ("SAMP", "Integrated Gradients"):  # the slow ones
        page.get_by_role("button", name=f"Remove {title}", exact=True).click()
        expect(page.get_by_role("button", name=f"Remove {title}", exact=True)).to_have_count(0)
    metrics.get_by_role("button", name="Remove Deletion and insertion").click()
    expect(metrics.get_by_text("Deletion and insertion")).to_have_count(0)
    page.get_by_role("button", name="Measure", exact=True).click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=2 * LONG)
    frame = pd.read_csv(io.BytesIO(download(page, "Every number (csv)")))
    assert set(frame["name"]) == {"photo.png"}
    assert frame["conditions"].str.contains("network prepared").all()
    (tmp_path / "mine.sqlite").write_bytes(download(page, "Everything (sqlite)"))
    with Store(tmp_path / "mine.sqlite", read_only=True) as store:
        assert store.count() == len(frame)

    with visit(browser) as other:
        open_many(other, address)
        expect(other.get_by_text("Earlier results")).to_have_count(0)
        name = other.get_by_role("textbox", name="Name of the results")
        name.fill("../../metrics")
        name.press("Enter")
        expect(other.get_by_text(re.compile("no plain name"))).to_be_visible()
        expect(other.get_by_test_id("stException")).to_have_count(0)
