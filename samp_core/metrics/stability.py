"""How much a map moves when nothing that matters does: noise no one sees, and another order of rounding."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samp_core.classifiers import duplicate
from samp_core.metrics.agreement import spearman
from samp_core.metrics.base import Column, Explain, Measurement, Metric, Protocol, Subject

RADIUS, DRAWS = 0.02, 4


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
    explain = _require(subject)
    values, maps = noise_stability(
        explain, subject.network, subject.inputs, subject.attributions, sigma=sigma, seed=subject.seed
    )
    definition = (
        f"Spearman correlation of the maps with and without Gaussian noise of {sigma:g} normalised units; what a "
        "method draws is drawn anew"
    )
    return (Measurement(name, values, _protocol(definition, subject, 1), {"maps": maps}, _note(values)),)


def _rounding(subject: Subject) -> tuple[Measurement, ...]:
    values, maps = layout_stability(_require(subject), subject.network, subject.inputs, subject.attributions)
    definition = "Spearman correlation of the maps of one network in two memory layouts"
    return (Measurement("rounding", values, _protocol(definition, subject, None), {"maps": maps}, _note(values)),)


def _max_sensitivity(subject: Subject) -> tuple[Measurement, ...]:
    values = max_sensitivity(_require(subject), subject.network, subject.inputs, seed=subject.seed)
    definition = f"largest relative change of the map within {RADIUS} normalised units (Yeh 2019, captum)"
    protocol = Protocol(definition, sign="signed", normalisation="norm of the map", samples=DRAWS, seed=subject.seed)
    return (Measurement("max-sensitivity", values, protocol),)


def _protocol(definition: str, subject: Subject, samples: int | None) -> Protocol:
    return Protocol(definition, sign="signed", samples=samples, seed=None if samples is None else subject.seed)


def _note(values: Tensor) -> str:
    return "" if bool(values.isfinite().all()) else "One of the two maps is the same everywhere: it has no ranking."


def _under_noise(name: str, sigma: float, words: str) -> Metric:
    return Metric(
        name,
        f"Stability, noise {sigma:g}",
        f"Whether the map ranks the pixels the same when the photo gets noise {words}.",
        "this project; the idea is Alvarez-Melis and Jaakkola's, 2018",
        (Column(name, f"Stability, noise {sigma:g}", "up"),),
        partial(_stability, name=name, sigma=sigma),
        needs="explain",
        explanations=1,
        evidence="map",
    )


STABILITY = _under_noise("stability", 1e-4, "far below one grey level")
STABILITY_COARSE = _under_noise("stability-coarse", 1e-2, "of about one grey level")
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
