"""Reference images: their values by hand, and the blur kernel against SciPy's."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter

from samp_core.baselines import BASELINES, Baseline, Black, GaussianBlur, Mean, Noise, White, Zero, make_baseline
from samp_core.images import Preprocessing

PHOTO = Preprocessing(256, (224, 224), (0.5, 0.4, 0.25), (0.25, 0.2, 0.5))
DIGIT = Preprocessing(None, (28, 28), (0.13,), (0.31,))


def impulse(size: int) -> torch.Tensor:
    image = torch.zeros(1, 1, size, size, dtype=torch.float64)
    image[0, 0, size // 2, size // 2] = 1
    return image


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        (Zero(), [[0, 0], [0, 0]]),
        (Black((0.5, 0.25), (0.25, 0.5)), [[-2, -0.5], [-2, -0.5]]),  # (0 - mean) / std
        (White((0.5, 0.25), (0.25, 0.5)), [[2, 1.5], [2, 1.5]]),  # (1 - mean) / std
        (Mean(), [[1.5, 5.5], [9.5, 13.5]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_by_hand(baseline, expected):
    images = torch.arange(16, dtype=torch.float64).view(2, 2, 2, 2)
    wanted = torch.tensor(expected, dtype=torch.float64).view(2, 2, 1, 1).expand(2, 2, 2, 2)
    torch.testing.assert_close(baseline(images), wanted)


@pytest.mark.parametrize("kind", [Black, White])
def test_a_normalisation_of_other_channels_is_refused(kind):
    with pytest.raises(ValueError, match="normalisation has 1 channels, the images have 3"):
        kind((0.5,), (0.5,))(torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize(("size", "sigma"), [(11, 5.0), (31, 5.0), (5, 0.8), (1, 2.0)])
def test_blur_kernel(size, sigma):
    wide = impulse(2 * size + 1)
    response = GaussianBlur(size, sigma)(wide)[0, 0]
    start = size // 2 + 1
    window = response[start : start + size, start : start + size]
    torch.testing.assert_close(window, torch.from_numpy(gaussian_filter(impulse(size)[0, 0].numpy(), sigma)))
    torch.testing.assert_close(window.sum(), response.sum())  # nothing outside of the window
    torch.testing.assert_close(response.sum().item(), 1.0)
    for same in (window.flip(0), window.flip(1), window.T):
        torch.testing.assert_close(same, window)


def test_a_constant_image_stays_inside_and_darkens_towards_its_border():
    blurred = GaussianBlur(5, 2.0)(torch.ones(1, 2, 16, 12, dtype=torch.float64))
    torch.testing.assert_close(blurred[..., 2:-2, 2:-2], torch.ones(1, 2, 12, 8, dtype=torch.float64))
    row = blurred[0, 0, 8]
    assert row[0] < row[1] < row[2] - 0.05
    assert blurred[0, 0, 0, 0] < row[0]


def test_blur_keeps_channels_apart():
    images = torch.zeros(1, 3, 9, 9, dtype=torch.float64)
    images[0, 1] = 1
    blurred = GaussianBlur(3, 1.0)(images)
    assert blurred[0, [0, 2]].abs().sum() == 0
    torch.testing.assert_close(blurred[0, 1, 4, 4].item(), 1.0)


@pytest.mark.parametrize(("size", "sigma"), [(4, 1.0), (0, 1.0), (-3, 1.0), (5, 0.0), (5, -1.0), (5, float("nan"))])
def test_impossible_blurs_are_refused(size, sigma):
    with pytest.raises(ValueError, match="must be"):
        GaussianBlur(size, sigma)


def test_noise_is_seeded_and_the_same_for_all_images():
    images = torch.zeros(3, 2, 50, 40, dtype=torch.float64)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    noise = Noise(2.0, 7)(images)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's generator is left alone
    assert torch.equal(noise, Noise(2.0, 7)(images))
    assert torch.equal(noise[0], noise[2])
    assert not torch.equal(noise, Noise(2.0, 8)(images))
    assert abs(noise[0].mean()) < 0.15  # 4000 values: the standard error is 0.03
    assert abs(noise[0].std() - 2) < 0.15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("preprocessing", [PHOTO, DIGIT], ids=["photo", "digit"])
@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_keeps_shape_type_and_input(name, preprocessing, dtype):
    images = torch.randn(2, preprocessing.channels, 40, 36).to(dtype)
    before = images.clone()
    baseline = make_baseline(name, preprocessing)
    assert isinstance(baseline, Baseline)
    made = baseline(images)
    assert (made.shape, made.dtype) == (images.shape, dtype)
    assert torch.isfinite(made).all()
    made += 1  # nobody's memory but its own
    assert torch.equal(images, before)
    torch.testing.assert_close(baseline(images), made - 1)


def test_names_build_what_they_say():
    assert make_baseline("black", PHOTO) == Black(PHOTO.mean, PHOTO.std)
    assert make_baseline("white", DIGIT) == White(DIGIT.mean, DIGIT.std)
    assert make_baseline("blur", PHOTO) == GaussianBlur(31, 5.0)
    assert make_baseline("blur", DIGIT) == GaussianBlur(11, 5.0)
    assert make_baseline("noise", PHOTO, seed=3) == Noise(seed=3)
    with pytest.raises(ValueError, match=r"no baseline 'grey'.*zero, black, white, mean, blur, noise"):
        make_baseline("grey", PHOTO)
