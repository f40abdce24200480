"""Models in a real browser: a network of one's own is brought, used on every page, and is there after a reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from playwright.sync_api import Browser, Page, expect
from safetensors.torch import save_file

from tests.serving import visit
from tests.test_browser import barriers
from tests.test_walk_browser import follow, query, settle


def choose(page: Page, name: str) -> None:
    box = page.get_by_role("combobox", name="Architecture")
    box.click()
    box.fill(name)
    page.get_by_role("option", name=name, exact=True).click()
    settle(page, "Models")


def upload(page: Page, place: str, file: Path) -> None:
    page.locator(f".st-key-models-{place} [data-testid=stFileUploaderDropzoneInput]").set_input_files(file)
    expect(page.locator(f".st-key-models-{place}")).to_contain_text(file.name)
    settle(page, "Models")


def say_multi_label(page: Page) -> None:
    """Bring the network in hand once more, as one whose classes do not exclude each other, and explain a sigmoid."""
    single = query(page)
    assert re.search(r"network=squeezenet1_1~[0-9a-f]{8}", single)
    page.get_by_role("tab", name="Weights of my own").click()
    page.get_by_text("Multi-label: its classes do not exclude each other").click()
    settle(page, "Models")
    page.get_by_role("button", name="Use these weights").click()
    expect(page.get_by_text("37, which do not exclude each other (multi-label)")).to_be_visible()
    settle(page, "Models")
    assert query(page) != single
    page.goto(f"{page.url}&score=sigmoid")
    settle(page, "Models")
    expect(page.get_by_role("combobox", name="Explained score")).to_have_value("Probability (sigmoid)")
    assert "score=sigmoid" in query(page)


def test_a_network_for_37_classes_is_brought_and_explained(
    browser: Browser, address: str, restarted: Callable[[], str], tmp_path: Path
) -> None:
    torch.manual_seed(3)
    network = torchvision.models.squeezenet1_1(weights=None, num_classes=37)
    save_file(network.state_dict(), tmp_path / "birds.safetensors")
    (tmp_path / "labels.txt").write_text("\n".join(f"bird {k}" for k in range(37)))
    (tmp_path / "wrong.txt").write_text("only one")
    (tmp_path / "how.json").write_text('{"crop": 64, "resize": 72}')
    with visit(browser, f"{address}/Models?network=mnist_cnn") as page:
        settle(page, "Models")
        expect(page.get_by_role("heading", name="In use: mnist_cnn")).to_be_visible()
        page.get_by_role("button", name="Which methods serve it?").click()
        expect(page.get_by_text(re.compile(r"\d+ of \d+ methods serve it"))).to_be_visible()
        expect(page.get_by_text("LeGrad does not")).to_be_visible()
        choose(page, "squeezenet1_1")
        page.get_by_role("tab", name="Weights of my own").click()
        upload(page, "weights", tmp_path / "birds.safetensors")
        upload(page, "how", tmp_path / "how.json")
        upload(page, "labels", tmp_path / "wrong.txt")
        page.get_by_role("button", name="Use these weights").click()
        expect(page.get_by_text("has 37 classes but 1 labels were given")).to_be_visible()
        page.get_by_role("button", name="Remove wrong.txt").click()
        settle(page, "Models")
        upload(page, "labels", tmp_path / "labels.txt")
        page.get_by_role("button", name="Use these weights").click()
        news = "squeezenet1_1 with own weights, 37 classes, is in use on every page. It is remembered for this browser"
        expect(page.get_by_text(news)).to_be_visible()
        settle(page, "Models")
        expect(page.get_by_text("What it sees: 64 x 64 pixels")).to_be_visible()
        expect(page.get_by_test_id("stSidebar").get_by_text(re.compile(r"^bird \d+")).first).to_be_visible()
        say_multi_label(page)

        follow(page, "Explain")
        settle(page, "Explain")
        page.get_by_role("button", name=re.compile("^Run")).first.click()
        expect(page.locator(".lane[data-status=done]")).to_have_count(2)
        settle(page, "Explain")
        expect(
            page.get_by_text(re.compile(r"probability of bird .*\(sigmoid\) of squeezenet1_1 with own weights")).first
        ).to_be_attached()
        page.reload()
        settle(page, "Explain")
        expect(page.locator(".lane[data-status=done]")).to_have_count(2)
        asked = query(page)
        page.goto(f"{restarted()}/Models?{asked}")
        settle(page, "Models")
        expect(page.get_by_role("heading", name="In use: squeezenet1_1 with own weights")).to_be_visible()
        expect(page.get_by_text("37, which do not exclude each other (multi-label)")).to_be_visible()
        expect(page.get_by_test_id("stSidebar").get_by_text(re.compile(r"^bird \d+")).first).to_be_visible()
    with visit(browser, f"{address}/Explain?{asked}") as page:  # somebody else's browser knows nothing of it
        settle(page, "Explain")
        expect(page.get_by_text("is not possible here").first).to_be_visible()
        expect(page.get_by_test_id("stSidebar").get_by_text(re.compile("^bird"))).to_have_count(0)


def test_random_weights_say_so_and_a_transformer_is_explained(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/Models") as page:
        settle(page, "Models")
        page.locator(".st-key-models-take-mnist_vit button").click()
        expect(page.get_by_role("heading", name="In use: mnist_vit")).to_be_visible()
        expect(page.locator(".st-key-models-take-mnist_vit button")).to_be_disabled()
        expect(page.locator(".st-key-models-take-efficientnet_lite0 button")).to_be_enabled()
        settle(page, "Models")
        choose(page, "squeezenet1_1")
        page.get_by_role("tab", name="Random weights").click()
        page.get_by_role("button", name="Use it at random").click()
        settle(page, "Models")
        expect(page.get_by_text("Its weights are random: it knows nothing")).to_be_visible()
        page.reload()
        settle(page, "Models")
        expect(page.get_by_role("heading", name="squeezenet1_1 with random weights")).to_be_visible()
        assert barriers(page) == []
        page.locator(".st-key-models-take-mnist_vit button").click()
        expect(page.get_by_role("heading", name="In use: mnist_vit")).to_be_visible()
        settle(page, "Models")
        follow(page, "Compare")
        settle(page, "Compare")
        page.goto(f"{page.url}&methods=gradient+legrad")
        settle(page, "Compare")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_text("2 of 2 maps are here")).to_be_visible()
        settle(page, "Compare")
