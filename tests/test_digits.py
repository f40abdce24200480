"""The digit network, its samples, drawings made like MNIST's, and SAMP++ on a digit."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from streamlit.testing.v1 import AppTest

from samp_core import SAMP, IntegratedGradients
from samp_core.baselines import make_baseline
from samp_core.classifiers import DIGITS, ClassifierError, architectures, is_on_disk, load_classifier, network_info
from samp_core.digit_networks import FILES
from samp_core.digits import BOX, MIDDLE, SIDE, centre, load_digits, samples, training_facts
from samp_core.images import ImageError
from samp_core.methods import default_settings, make_method


@pytest.fixture(scope="module", params=FILES)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def classifier(kind):
    return load_digits(kind=kind)


def drawing(scale: float = 1.0, at: tuple[int, int] = (60, 40)) -> Image.Image:
    """A seven, drawn with a round pen on a sheet of 400 x 400."""
    sheet = Image.new("L", (400, 400))
    points = [(at[0] + scale * x, at[1] + scale * y) for x, y in ((0, 0), (90, 0), (35, 160))]
    ImageDraw.Draw(sheet).line(points, 255, round(18 * scale), joint="curve")
    return sheet


def mass(image: Image.Image) -> tuple[float, float]:
    pixels = np.asarray(image, float)
    x, y = (float((pixels.sum(axis) * np.arange(SIDE)).sum() / pixels.sum()) for axis in (0, 1))
    return x, y


def test_every_sample_is_read_right(classifier):
    digits = samples()
    assert list(digits) == list(range(10))
    for digit, image in digits.items():
        assert (image.mode, image.size) == ("L", (SIDE, SIDE))
        assert classifier.predict(classifier.preprocessing(image), 1)[0].label == str(digit)


def test_the_network_is_small_accurate_and_prepares(classifier, kind):
    path = FILES[kind]
    assert path.stat().st_size < 2**20
    facts = training_facts(path)
    assert float(facts["test_accuracy"]) >= 0.985
    assert {"seed", "data", "data_sha256"} <= set(facts)
    x = torch.cat([classifier.preprocessing(image) for image in samples().values()])
    torch.testing.assert_close(classifier.prepare()(x), classifier(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", DIGITS)
def test_the_networks_have_names(name):
    found, wanted = load_classifier(name), load_digits(kind=DIGITS[name])
    assert (found.name, found.labels) == (name, wanted.labels)
    assert found.fingerprint == wanted.fingerprint
    assert is_on_disk(name)
    assert name in architectures()
    assert network_info(name).file == ""
    with pytest.raises(ClassifierError, match="Weights of your own"):
        load_classifier(name, weights="random")


def test_attention_of_the_transformer_is_explained():
    classifier = load_classifier("mnist_vit").prepare()
    (inputs,) = [classifier.inputs(image) for digit, image in samples().items() if digit == 3]
    for method in ("legrad", "rollout"):
        found = make_method(classifier, default_settings(method)).explain(inputs, 3)
        assert found.finished
        assert found.maps.shape == (1, SIDE, SIDE)
        # The ink is looked at more than the paper around it.
        assert found.maps[inputs[:, 0] > 0.5].mean() > found.maps[inputs[:, 0] == 0].mean(), method


def test_an_empty_sheet_is_all_zeros(classifier):
    assert not classifier.preprocessing(Image.new("L", (SIDE, SIDE))).any()


def test_weights_that_cannot_be_read_say_so(tmp_path):
    absent, damaged, other = (tmp_path / name for name in ("absent", "damaged", "other"))
    damaged.write_bytes(b"no weights")
    header = json.dumps({}).encode()
    other.write_bytes(struct.pack("<Q", len(header)) + header)  # a valid file without any weights
    for path in (absent, damaged, other):
        with pytest.raises(ClassifierError, match="train_digits"):
            load_digits(path)
    for path in (absent, damaged):
        with pytest.raises(ClassifierError, match="Restore"):
            training_facts(path)


@pytest.mark.parametrize("at", [(12, 12), (150, 30), (220, 190)])
def test_where_it_is_drawn_does_not_matter(at):
    assert centre(drawing(at=at)) == centre(drawing())


@pytest.mark.parametrize("scale", [0.5, 1.7])
def test_how_large_it_is_drawn_matters_little(classifier, scale):
    small, usual = (np.asarray(centre(drawing(s)), float) for s in (scale, 1.0))
    assert np.corrcoef(small.ravel(), usual.ravel())[0, 1] > 0.85  # whole pixels: one row may differ
    assert classifier.predict(classifier.preprocessing(centre(drawing(scale))), 1)[0].label == "7"


def test_a_drawing_is_centred_by_its_mass_in_a_box_of_20():
    made = centre(drawing())
    assert (made.mode, made.size) == ("L", (SIDE, SIDE))
    assert mass(made) == pytest.approx((MIDDLE, MIDDLE), abs=0.5 + 1e-9)
    left, top, right, bottom = made.getbbox()
    assert max(right - left, bottom - top) == BOX


def test_samples_are_as_centre_would_make_them():
    for image in samples().values():
        again = centre(image)
        left, top, right, bottom = again.getbbox()
        assert max(right - left, bottom - top) == BOX
        difference = np.abs(np.asarray(again, float) - np.asarray(image, float)).mean()
        assert difference < 12  # of 255: a resize to the very same box, and whole pixels


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_modes_are_told_apart_from_ink(mode):
    assert centre(drawing().convert(mode)) == centre(drawing())


def test_transparent_is_not_ink():
    sheet = Image.new("RGBA", (400, 400), (255, 255, 255, 0))
    sheet.paste("white", mask=drawing())
    assert centre(sheet) == centre(drawing())


@pytest.mark.parametrize("size", [(1, 1), (SIDE, SIDE), (400, 400)])
def test_an_empty_drawing_is_refused(size):
    with pytest.raises(ImageError, match="Nothing is drawn"):
        centre(Image.new("L", size))


def test_odd_drawings_stay_in_the_field():
    for box in ((0, 0, 399, 2), (10, 0, 12, 399), (399, 399, 399, 399)):
        sheet = Image.new("L", (400, 400))
        ImageDraw.Draw(sheet).rectangle(box, 255)
        assert centre(sheet).getbbox() is not None
    lopsided = Image.new("L", (400, 400), 1)
    ImageDraw.Draw(lopsided).rectangle((380, 380, 399, 399), 255)
    assert centre(lopsided).getbbox() is not None


def test_samp_plus_plus_on_a_digit(classifier):
    """Complete with the isotonic rule; the paper's is another map along the same path; the network is left alone."""
    before = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    x = classifier.preprocessing(samples()[5])
    blur = make_baseline("blur", classifier.preprocessing)
    found = {
        rule: SAMP.samp_plus_plus(
            classifier.network, pixels_per_step=10, insertion_baseline=blur, accumulation=rule
        ).explain(x, 5)
        for rule in ("paper", "isotonic")
    }
    logits = {name: float(classifier(image)[0, 5]) for name, image in (("x", x), ("empty", 0 * x), ("blur", blur(x)))}
    for explanation in found.values():
        assert explanation.finished
        expected = [[logits["x"] - logits["empty"]], [logits["x"] - logits["blur"]]]
        torch.testing.assert_close(explanation.completeness.targets, torch.tensor(expected), atol=1e-4, rtol=1e-4)
    assert float(found["isotonic"].completeness.relative.max()) < 1e-5
    torch.testing.assert_close(found["paper"].scores, found["isotonic"].scores, equal_nan=True)
    assert float(IntegratedGradients(classifier.network).explain(x, 5).completeness.relative.max()) < 0.2
    assert all(torch.equal(value, before[name]) for name, value in classifier.network.state_dict().items())
    assert not classifier.network.training
    assert all(p.grad is None for p in classifier.network.parameters())


def _show():
    from ui.learn.digits import scene

    scene()


def test_the_scene_acts_on_every_knob():
    """What the scene says in numbers changes with its settings, and agrees with the engine."""
    at = AppTest.from_function(_show, default_timeout=60).run()
    assert not at.exception
    at.button(key="show-digits").click().run()

    def said() -> str:
        return next(m.value for m in at.markdown if m.value.startswith("#### What you just saw"))

    seen = [said()]
    assert "SAMP++, deletion" in seen[0]
    for change in (
        lambda: at.slider(key="digit-momentum").set_value(0.0),
        lambda: at.select_slider(key="digit-ic").set_value("off"),
        lambda: at.slider(key="digit-pixels").set_value(30),
        lambda: at.selectbox(key="digit-rule").set_value("isotonic"),
        lambda: at.selectbox(key="digit-rather").set_value("5"),
    ):
        change().run()
        assert not at.exception
        seen.append(said())
    assert len(set(seen)) == len(seen)
    assert "SAMP, deletion" in seen[2]
    assert seen[4].count("the map adds up to the score's change.") >= 2
    assert "logit of 3 minus logit of 5" in seen[5]


def test_the_scene_waits_for_a_drawing():
    at = AppTest.from_function(_show, default_timeout=60)
    at.query_params["digit"] = "draw"
    at.run()
    assert not at.exception
    assert "Draw a digit" in at.info[0].value
