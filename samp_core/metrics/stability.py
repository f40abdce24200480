"""How much a map moves when nothing that matters does: noise no one sees, and another order of rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samp_core.classifiers import duplicate
from samp_core.metrics.agreement import spearman
from samp_core.metrics.base import Column, Explain, Measurement, Metric, Protocol, Subject

RADIUS, DRAWS = 0.02, 4
SCALES = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Pixels by which two maps are smoothed before :func:`scaled_stability` compares them."""
_MEASURED = (2, 4)  # of these scales, those that are metrics
THREADS = (1, 2)


def noise_stability(
    explain: Explain,
    network: nn.Module,
    inputs: Float[Tensor, "n c h w"],
    attributions: Float[Tensor, "n c h w"],
    *,
    sigma: float,
    seed: int = 0,
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n h w"]]:
    """Return the rank correlation of each map with that of the image under Gaussian noise, -1 to 1, and those maps.

    The noisy image is another photo: what a method draws at random, it draws anew for it, and that counts.

    Args:
        explain: the method.
        network: what it explains.
        inputs: images in the network's normalised space.
        attributions: their maps.
        sigma: standard deviation of the noise, in normalised units.
        seed: seed of the noise.
    """
    # The same noise for every image, so that its batch does not matter.
    noise = torch.randn(inputs.shape[1:], generator=torch.Generator().manual_seed(seed), dtype=inputs.dtype)
    maps = explain(network, inputs + sigma * noise.to(inputs.device)).sum(1)
    return spearman(attributions.sum(1), maps), maps


def scaled_stability(
    before: Float[Tensor, "h w"], after: Float[Tensor, "h w"], scales: Sequence[float] = SCALES
) -> list[float]:
    """Return the rank correlation of two maps, both smoothed by a Gaussian of each of these scales, -1 to 1.

    Neighbouring pixels often take each other's place from one search to the next: at the scale at which a person looks
    at a map it is steadier than pixel by pixel. Edges are mirrored.

    Args:
        before, after: the maps.
        scales: standard deviations in pixels; 0 leaves the maps as they are.
    """
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - only this measure needs it

    maps = [m.double().cpu().numpy() for m in (before, after)]
    smooth = [[torch.from_numpy(gaussian_filter(m, scale) if scale else m) for m in maps] for scale in scales]
    return [float(spearman(a.unsqueeze(0), b.unsqueeze(0))) for a, b in smooth]


def sign_agreement(before: Float[Tensor, "n h w"], after: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return which part of the sum of ``|before|`` lies on pixels whose sign ``after`` keeps, 0 to 1.

    1 if every credit stays a credit and every debit a debit, about 0.5 if the signs are drawn anew; a pixel that
    becomes 0 keeps no sign. NaN for a map of zeros. It asks only for or against, not in which order.
    Krishna et al., "The Disagreement Problem in Explainable Machine Learning: A Practitioner's Perspective", 2022
    (sign agreement), count the signs that two maps share among the features that both have at the top; here all pixels
    count, by their ``|a|``.
    """
    weights = before.abs().flatten(1)
    kept = (before.sign() == after.sign()).flatten(1)
    return (weights * kept).sum(1) / weights.sum(1)


def layout_stability(
    explain: Explain,
    network: nn.Module,
    inputs: Float[Tensor, "n c h w"],
    attributions: Float[Tensor, "n c h w"],
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n h w"]]:
    """Return the rank correlation of each map with that of the same network laid out otherwise in memory, and those.

    Another layout adds up the same products in another order: the function is the same but for its last bits. A copy
    of the network is used.

    Raises:
        ValueError: the network cannot be copied.
    """
    weights = [p for p in network.parameters() if p.ndim == 4]
    last = any(p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous() for p in weights)
    layout = torch.contiguous_format if last else torch.channels_last
    other = duplicate(network).to(memory_format=layout)
    maps = explain(other, inputs).sum(1)
    return spearman(attributions.sum(1), maps), maps


def thread_stability(
    explain: Explain,
    network: nn.Module,
    inputs: Float[Tensor, "n c h w"],
    *,
    threads: tuple[int, int] = THREADS,
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n h w"], Float[Tensor, "n h w"]]:
    """Return the rank correlation of each image's maps made with two numbers of threads, and those two maps.

    Another number of threads shares out the same sums otherwise, so that the function is the same but for its last
    bits. A copy of the network is used, which sets the number of threads before each evaluation: whoever runs the
    method, in whatever turns, cannot make both maps with the same number. Afterwards this thread has its own again.

    Args:
        explain, network, inputs: see :func:`noise_stability`.
        threads: the two numbers, at least 1.

    Raises:
        ValueError: a number is below 1, the images are not on the CPU, or the network cannot be copied.
    """
    if min(threads) < 1:
        raise ValueError(f"At least one thread has to work, so the numbers cannot be {threads}.")
    if inputs.device.type != "cpu":
        raise ValueError(
            f"Threads share out the sums of the CPU, and this network computes on {inputs.device.type}. Explain on the "
            "CPU to measure this."
        )
    own = torch.get_num_threads()  # first: until a thread has asked, another thread's number replaces its own
    other, maps = duplicate(network), []
    try:
        for number in threads:
            torch.set_num_threads(number)
            hook = other.register_forward_pre_hook(lambda *_, number=number: torch.set_num_threads(number))
            maps.append(explain(other, inputs).sum(1))
            hook.remove()
    finally:
        torch.set_num_threads(own)
    return spearman(*maps), maps[0], maps[1]


class _Alone:
    """How a layer evaluates a batch image by image.

    Set in place of the layer's ``forward``, so that its name, its hooks and what they are shown stay as they were, and
    a copy of the network evaluates in the same way.
    """

    def __init__(self, layer: nn.Module, network: _Watch) -> None:
        self.layer, self.network = layer, network

    def __call__(self, batch: Tensor) -> Tensor:
        # Some networks make one image many rows (windows, patches): these stay together.
        images = self.network.images
        parts = batch.chunk(images) if images > 1 and len(batch) % images == 0 else (batch,)
        return torch.cat([type(self.layer).forward(self.layer, part) for part in parts])


class _Watch:
    """Notes of how many images the batch is that enters a network."""

    images = 1

    def __call__(self, network: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        self.images = len(arguments[0])


def image_by_image(network: nn.Module) -> nn.Module:
    """Return a copy of a network whose convolutions and dense layers evaluate the images of a batch one at a time.

    So every sum is added up as with a batch size of 1, whatever batches come. What multiplies matrices outside of such
    layers, as attention does, is as before.

    Raises:
        ValueError: the network cannot be copied, or has no such layer.
    """
    other, watch = duplicate(network), _Watch()
    layers = [m for m in other.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    if not layers:
        raise ValueError(
            f"{type(network).__name__} has no convolution and no dense layer, so its images cannot be sent through "
            "one by one."
        )
    for layer in layers:
        vars(layer)["forward"] = _Alone(layer, watch)
    other.register_forward_pre_hook(watch)
    return other


def batch_stability(
    explain: Explain,
    network: nn.Module,
    inputs: Float[Tensor, "n c h w"],
    attributions: Float[Tensor, "n c h w"],
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n h w"]]:
    """Return the rank correlation of each map with that made by :func:`image_by_image`, and those maps.

    A batch is a product of larger matrices, whose sums are added up in another order. A method that never has two
    images in the network at once has 1.

    Args:
        explain, network, inputs, attributions: see :func:`noise_stability`.

    Raises:
        ValueError: see :func:`image_by_image`.
    """
    maps = explain(image_by_image(network), inputs).sum(1)
    return spearman(attributions.sum(1), maps), maps


def max_sensitivity(
    explain: Explain,
    network: nn.Module,
    inputs: Float[Tensor, "n c h w"],
    *,
    radius: float = RADIUS,
    samples: int = DRAWS,
    seed: int = 0,
) -> Float[Tensor, " n"]:
    """Return the largest relative change of the map under uniform noise of at most ``radius``, >= 0; lower is steadier.

    captum's sensitivity_max. Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019.

    Args:
        explain, network, inputs: see :func:`noise_stability`.
        radius: largest change of a value, in normalised units.
        samples: noises an image.
        seed: seed of the noise.
    """
    generator = torch.Generator().manual_seed(seed)

    def noisy(images: Tensor, radius: float) -> tuple[Tensor, ...]:
        noise = torch.rand(images.shape[1:], generator=generator, dtype=images.dtype).to(images.device)
        return (images + radius * (2 * noise - 1),)

    # A tuple, or captum takes the maps of several images for the parts of one.
    def explained(images: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        with torch.enable_grad():  # captum switches gradients off around a method that may need them
            return tuple(explain(network, part).contiguous() for part in images)  # which it takes view() of

    from captum.metrics import sensitivity_max  # noqa: PLC0415 - only this measure needs captum

    # One draw at a time: captum would otherwise explain all of them in one batch, whatever that costs in memory.
    found: Tensor = sensitivity_max(
        explained,
        (inputs,),
        noisy,
        perturb_radius=radius,
        n_perturb_samples=samples,
        max_examples_per_batch=len(inputs),
    )
    return found


def _require(subject: Subject) -> Explain:
    if subject.explain is None:
        raise ValueError("Stability explains again, so it needs the method itself and not only its map.")
    return subject.explain


def _stability(subject: Subject, name: str, sigma: float) -> tuple[Measurement, ...]:
    values, maps = noise_stability(
        _require(subject), subject.network, subject.inputs, subject.attributions, sigma=sigma, seed=subject.seed
    )
    return (_spearman(name, values, maps, subject, sigma, ""),)


def _spearman(name: str, values: Tensor, maps: Tensor, subject: Subject, sigma: float, smoothed: str) -> Measurement:
    definition = (
        f"Spearman correlation of the maps{smoothed} with and without Gaussian noise of {sigma:g} normalised units; "
        "what a method draws is drawn anew"
    )
    return Measurement(name, values, _protocol(definition, subject, 1), {"maps": maps}, _note(values))


def _scales(subject: Subject, sigma: float) -> tuple[Measurement, ...]:
    (first,) = _stability(subject, "stability", sigma)
    own, maps = subject.maps, first.evidence["maps"]
    pairs = zip(own, maps, strict=True)
    smooth = torch.tensor([scaled_stability(*pair, _MEASURED) for pair in pairs], dtype=torch.float64)
    signs = sign_agreement(own, maps)
    definition = (
        f"share of |a| on pixels whose sign stays under Gaussian noise of {sigma:g} normalised units; what a method "
        "draws is drawn anew (after Krishna 2022)"
    )
    empty = "" if bool(signs.isfinite().all()) else "A map of zeros has no signs."
    return (
        first,
        *(
            _spearman(f"stability-{scale}px", smooth[:, k], maps, subject, sigma, f", smoothed by {scale} pixels,")
            for k, scale in enumerate(_MEASURED)
        ),
        Measurement(
            "sign-agreement",
            signs,
            replace(_protocol(definition, subject, 1), normalisation="sum of |a| without noise"),
            {"maps": maps},
            empty,
        ),
    )


def _rounding(subject: Subject) -> tuple[Measurement, ...]:
    values, maps = layout_stability(_require(subject), subject.network, subject.inputs, subject.attributions)
    definition = "Spearman correlation of the maps of one network in two memory layouts"
    return (Measurement("rounding", values, _protocol(definition, subject, None), {"maps": maps}, _note(values)),)


def _threads(subject: Subject) -> tuple[Measurement, ...]:
    values, few, many = thread_stability(_require(subject), subject.network, subject.inputs)
    definition = "Spearman correlation of the maps made with {} and with {} threads".format(*THREADS)
    evidence = {f"{number} thread{'s' * (number > 1)}": m for number, m in zip(THREADS, (few, many), strict=True)}
    return (Measurement("threads", values, _protocol(definition, subject, None), evidence, _note(values)),)


def _batch(subject: Subject) -> tuple[Measurement, ...]:
    values, maps = batch_stability(_require(subject), subject.network, subject.inputs, subject.attributions)
    definition = "Spearman correlation of the maps with images together in the network's layers and one by one"
    evidence = {"one by one": maps}
    return (Measurement("batch", values, _protocol(definition, subject, None), evidence, _note(values)),)


def _max_sensitivity(subject: Subject) -> tuple[Measurement, ...]:
    values = max_sensitivity(_require(subject), subject.network, subject.inputs, seed=subject.seed)
    definition = f"largest relative change of the map within {RADIUS} normalised units (Yeh 2019, captum)"
    protocol = Protocol(definition, sign="signed", normalisation="norm of the map", samples=DRAWS, seed=subject.seed)
    return (Measurement("max-sensitivity", values, protocol),)


def _protocol(definition: str, subject: Subject, samples: int | None) -> Protocol:
    return Protocol(definition, sign="signed", samples=samples, seed=None if samples is None else subject.seed)


def _note(values: Tensor) -> str:
    return "" if bool(values.isfinite().all()) else "One of the two maps is the same everywhere: it has no ranking."


STABILITY = Metric(
    "stability",
    "Stability, noise 0.0001",
    "Whether the map ranks the pixels the same when the photo gets noise far below one grey level: pixel by pixel, "
    "smoothed to what a person sees, and whether at least each pixel's sign stays.",
    "this project; the idea is Alvarez-Melis and Jaakkola's, 2018; signs: after Krishna et al., 2022",
    (
        Column("stability", "Stability, noise 0.0001", "up"),
        *(Column(f"stability-{scale}px", f"Stability, {scale} px", "up") for scale in _MEASURED),
        Column("sign-agreement", "Sign agreement", "up"),
    ),
    partial(_scales, sigma=1e-4),
    needs="explain",
    explanations=1,
    evidence="map",
)
STABILITY_COARSE = Metric(
    "stability-coarse",
    "Stability, noise 0.01",
    "Whether the map ranks the pixels the same when the photo gets noise of about one grey level.",
    "this project; the idea is Alvarez-Melis and Jaakkola's, 2018",
    (Column("stability-coarse", "Stability, noise 0.01", "up"),),
    partial(_stability, name="stability-coarse", sigma=1e-2),
    needs="explain",
    explanations=1,
    evidence="map",
)
ROUNDING = Metric(
    "rounding",
    "Stability under rounding",
    "Whether the map survives another order of the same additions inside the network.",
    "this project",
    (Column("rounding", "Stability, rounding", "up"),),
    _rounding,
    needs="explain",
    explanations=1,
    evidence="map",
)
THREAD_STABILITY = Metric(
    "threads",
    "Stability under threads",
    "Whether the map is the same whether one processor core works on it or two.",
    "this project",
    (Column("threads", "Stability, threads", "up"),),
    _threads,
    needs="explain",
    explanations=len(THREADS),
    evidence="conditions",
)
BATCH_STABILITY = Metric(
    "batch",
    "Stability under batch size",
    "Whether the map is the same when the network sees one image at a time, as with a batch size of 1.",
    "this project",
    (Column("batch", "Stability, batch", "up"),),
    _batch,
    needs="explain",
    explanations=1,
    evidence="conditions",
)
MAX_SENSITIVITY = Metric(
    "max-sensitivity",
    "Max-sensitivity",
    "The largest relative change of the map in a small neighbourhood of the photo.",
    "Yeh et al., NeurIPS 2019; captum",
    (Column("max-sensitivity", "Max-sensitivity", "down"),),
    _max_sensitivity,
    needs="explain",
    explanations=DRAWS + 1,
)
