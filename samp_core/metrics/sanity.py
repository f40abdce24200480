"""Whether a map depends on what the network has learnt: layers are randomised from the output down."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samp_core.classifiers import duplicate
from samp_core.metrics.agreement import similarity, spearman
from samp_core.metrics.base import Column, Explain, Measurement, Metric, Protocol, Subject

STAGES = 4


def cascade(network: nn.Module, stages: int = STAGES, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Yield copies of a network with more and more layers randomised, from the output down to the input.

    Every parameter of a layer is drawn anew from a normal distribution with the mean and standard deviation that it
    had, so that activations keep their size. Layers are taken in the order in which the module lists them, which is
    that of evaluation in the usual networks.

    Args:
        network: left as it is.
        stages: number of copies; each has about the same number of layers more than the one before.
        seed: seed of the weights.

    Yields:
        The name of the lowest randomised layer, and the copy.

    Raises:
        ValueError: there are no parameters, or less than one stage, or the network cannot be copied.
    """
    if stages < 1:
        raise ValueError(f"At least one stage is needed, not {stages}.")
    changed = duplicate(network)
    layers = [(name, m) for name, m in changed.named_modules() if list(m.parameters(recurse=False))][::-1]
    if not layers:
        raise ValueError("The network has no parameters, so nothing can be randomised.")
    generator = torch.Generator().manual_seed(seed)
    stages = min(stages, len(layers))
    ends = [round((k + 1) * len(layers) / stages) for k in range(stages)]
    for number, (name, layer) in enumerate(layers, start=1):
        for parameter in layer.parameters(recurse=False):
            spread = parameter.std(unbiased=False)
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float32).to(parameter)
            with torch.no_grad():
                parameter.copy_(parameter.mean() + spread * drawn)
        if number in ends:
            yield name, copy.deepcopy(changed)


def sanity_check(
    explain: Explain,
    network: nn.Module,
    inputs: Float[Tensor, "n c h w"],
    attributions: Float[Tensor, "n c h w"],
    *,
    stages: int = STAGES,
    seed: int = 0,
) -> tuple[Float[Tensor, "n s"], Float[Tensor, "n s"], Float[Tensor, "n s h w"]]:
    """Return how alike the maps of the trained and the randomised networks are, stage by stage; lower is better.

    Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, cascading randomisation.

    Returns:
        Spearman's correlation of ``|a|`` (N, S), structural similarity (N, S), and the randomised maps (N, S, H, W).
    """
    own = attributions.sum(1)
    maps = [explain(other, inputs).sum(1) for _, other in cascade(network, stages, seed)]
    ranks = torch.stack([spearman(own.abs(), m.abs()) for m in maps], 1)
    shapes = torch.stack([similarity(own, m) for m in maps], 1)
    return ranks, shapes, torch.stack(maps, 1)


def _measure(subject: Subject) -> tuple[Measurement, ...]:
    if subject.explain is None:
        raise ValueError("The sanity check explains again, so it needs the method itself and not only its map.")
    ranks, shapes, maps = sanity_check(
        subject.explain, subject.network, subject.inputs, subject.attributions, seed=subject.seed
    )
    stages = ranks.shape[1]
    measurements = []
    for name, words, found in (("sanity-spearman", "Spearman correlation", ranks), ("sanity-ssim", "SSIM", shapes)):
        protocol = Protocol(
            f"{words} of |a| with the maps of cascadingly randomised networks, mean of stages (Adebayo 2018)",
            sign="magnitude",
            step=f"{stages} stages from output to input",
            normalisation="each map by its maximum" if found is shapes else "",
            seed=subject.seed,
        )
        known = found.isfinite()
        values = torch.where(known.any(1), found.nan_to_num(0).sum(1) / known.sum(1), torch.nan)
        note = "" if bool(known.all()) else "Stages whose map is the same everywhere are left out."
        measurements.append(Measurement(name, values, protocol, {"stages": found, "maps": maps}, note))
    return tuple(measurements)


SANITY = Metric(
    "sanity",
    "Sanity check",
    "Whether the map changes when the network forgets. A map that stays the same does not explain the network.",
    "Adebayo et al., NeurIPS 2018",
    (Column("sanity-spearman", "Sanity, Spearman", "down"), Column("sanity-ssim", "Sanity, SSIM", "down")),
    _measure,
    needs="explain",
    explanations=STAGES,
    evidence="stages",
)
