"""What a reader can do to a map to find out whether it is to be believed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from samp_core.baselines import GaussianBlur
from samp_core.faces import SAMP
from samp_core.metrics import cancellation, cascade, deletion, insertion, spearman
from samp_core.rules import RULES, Completeness


@dataclass(frozen=True)
class Trial:
    """One map put to the test.

    Attributes:
        title: what it is.
        map: the pixel map, (H, W).
        gap: largest relative completeness gap of its directions; None for what promises no sum.
        cancellation: sum ``|a|`` / ``|sum a|`` of the map; NaN for what promises no sum.
        deletion, insertion: AUCs of the paper's protocol.
        agreement: Spearman's correlation with the first trial's map, -1 to 1.
    """

    title: str
    map: Float[NDArray[np.float64], "h w"]
    gap: float | None
    cancellation: float
    deletion: float
    insertion: float
    agreement: float


RULE_TITLES = {"paper": "Paper's rule", "gauss": "Line integral (Gauss)", "isotonic": "Isotonic rule"}


def trials(
    network: nn.Module,
    inputs: Float[Tensor, "1 c h w"],
    target: int,
    *,
    sigma: float = 1e-3,
    pixels_per_step: int = 40,
    momentum: float = 0.5,
    ic_tolerance: float | None = 0.1,
    curve_pixels: int = 20,
    seed: int = 0,
) -> list[Trial]:
    """Put SAMP's map to the test: three rules on one path, the path's order, faint noise, a forgetful network.

    Args:
        network: images (1, C, H, W) to logits; left as it is.
        inputs: one small image, such as a digit.
        target: explained class.
        sigma: standard deviation of the noise, as a share of each pixel's ink. An empty sheet stays empty: noise on it
            would give the search other pixels to move, not only other gradients.
        pixels_per_step, momentum, ic_tolerance: of the search.
        curve_pixels: pixels a step of the deletion and insertion curves.
        seed: seed of noise and of the forgetful network's weights.

    Returns:
        The paper's rule first, then the other rules, the order, the noisy image, and the network whose last layers
        were drawn anew; curves are always those of the true network and image.
    """
    blur = GaussianBlur(11, 5.0)

    def search(model: nn.Module) -> SAMP:
        return SAMP(
            model,
            pixels_per_step=pixels_per_step,
            momentum=momentum,
            ic_tolerance=ic_tolerance,
            insertion_baseline=blur,
        )

    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(inputs.shape, generator=generator, dtype=torch.float32).to(inputs)
    run = search(network).start(torch.cat([inputs, inputs * (1 + sigma * noise)]), target)
    rules = {name: RULES[name].make(run.ends, run.gradients, 4) for name in RULE_TITLES}
    clean = torch.arange(run.paths) % 2 == 0
    for step in run.moves():  # one walk, so that the rules differ in nothing but the rule
        rules["paper"].add(step)
        if (walking := step.active & clean).any():
            rules["gauss"].add(replace(step, active=walking))
            rules["isotonic"].add(replace(step, active=walking))
    walked = run.result()
    last = walked.scores.flatten(1).gather(0, walked.steps.flatten().unsqueeze(0))[0]
    sums = {}
    for name, rule in rules.items():
        rule.close(last, None)
        signed = (run.ends.sign.view(-1, 1, 1, 1) * rule.total()).sum(1)
        sums[name] = signed.view(2, 2, *signed.shape[1:])  # directions, then clean and noisy
    forgetful = next(cascade(network, stages=2, seed=seed))[1]
    forgot = search(forgetful).explain(inputs, target)

    def gap(of: Tensor, image: int) -> float:
        return float(Completeness(of.sum((2, 3)), walked.completeness.targets).relative[:, image].max())

    made: list[tuple[str, Tensor, float | None]] = [
        *((title, sums[name][:, 0].sum(0), gap(sums[name], 0)) for name, title in RULE_TITLES.items()),
        ("Order of the path", walked.order[0], None),
        ("Noise on the ink", sums["paper"][:, 1].sum(0), gap(sums["paper"], 1)),
        ("Forgetful network", forgot.maps[0], float(forgot.completeness.relative.max())),
    ]
    maps = torch.stack([pixel_map for _, pixel_map, _ in made])
    images = inputs.expand(len(maps), -1, -1, -1)
    deletions, insertions = (
        measure(network, images, maps, target, pixels_per_step=curve_pixels, batch_size=256).auc.tolist()
        for measure in (deletion, partial(insertion, baseline=blur))
    )
    agreement = spearman(maps[:1].expand_as(maps), maps).tolist()
    cancelled = cancellation(maps).tolist()
    return [
        Trial(title, pixel_map.double().numpy(), relative, *numbers)
        for (title, pixel_map, relative), *numbers in zip(
            made, cancelled, deletions, insertions, agreement, strict=True
        )
    ]
