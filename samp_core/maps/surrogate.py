"""Methods that fit a linear model over superpixels: LIME and Kernel SHAP."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.segmentation import slic
from sklearn.linear_model import LinearRegression, Ridge  # type: ignore[import-untyped]
from torch import Tensor

from samp_core.attribution import Decomposition, Task
from samp_core.attribution.direct import Pieces
from samp_core.maps.common import as_picture, photo_seeds, pieces

Floats = NDArray[np.float64]

# Width of LIME's neighbourhood for images, in cosine distance, and the ridge's strength: the authors' values.
_WIDTH, _RIDGE = 0.25, 1.0


def _draw_lime(samples: int, parts: int, random: np.random.Generator) -> Floats:
    shown = random.integers(0, 2, (samples, parts)).astype(np.float64)
    shown[0] = 1  # the image itself
    return shown


def _fit_lime(shown: Floats, scores: Floats) -> Floats:
    distance = 1 - np.sqrt(shown.mean(1))  # cosine distance from all ones
    nearness = np.sqrt(np.exp(-(distance**2) / _WIDTH**2))
    weights: Floats = Ridge(alpha=_RIDGE).fit(shown, scores, sample_weight=nearness).coef_
    return weights


def _draw_shap(samples: int, parts: int, random: np.random.Generator) -> Floats:
    """Draw coalitions as the Shapley kernel weighs them, each with its opposite; first come all and none."""
    shown = np.zeros((samples, parts))
    shown[0] = 1
    if parts > 1:
        sizes = np.arange(1, parts)
        chance = 1 / (sizes * (parts - sizes))
        for k in range(2, samples, 2):
            size = random.choice(sizes, p=chance / chance.sum())
            shown[k, random.permutation(parts)[:size]] = 1
            shown[k + 1 : k + 2] = 1 - shown[k]
    return shown


def _fit_shap(shown: Floats, scores: Floats) -> Floats:
    """Fit under the condition that the parts add up to the score of all minus that of none."""
    whole, none = scores[0], scores[1]
    if shown.shape[1] == 1:
        return np.array([whole - none])
    last = shown[2:, -1:]
    weights = LinearRegression(fit_intercept=False).fit(
        shown[2:, :-1] - last, scores[2:] - none - last[:, 0] * (whole - none)
    )
    return np.append(weights.coef_, whole - none - weights.coef_.sum())


def _surrogate(
    draw: Callable[[int, int, np.random.Generator], Floats],
    fit: Callable[[Floats, Floats], Floats],
    complete: bool = False,
) -> Callable[..., Pieces]:
    """Return a method. If ``complete``, its first two samples show all and nothing, and it promises the difference."""

    def work(
        task: Task, fill: str, samples: int = 300, segments: int = 50
    ) -> Generator[float, None, Tensor | Decomposition]:
        n, seeds = len(task.inputs), photo_seeds(task)
        hidden, maps, totals = task.baseline(fill)(task.inputs), [], []
        for index in range(n):
            image, other = task.inputs[index : index + 1], hidden[index : index + 1]
            found = slic(as_picture(image[0]).numpy(), n_segments=segments, start_label=0, channel_axis=-1)
            labels = torch.from_numpy(np.unique(found, return_inverse=True)[1].reshape(found.shape))
            parts = int(labels.max()) + 1
            shown = draw(samples, parts, np.random.default_rng(seeds[index]))
            masks, scores = torch.from_numpy(shown).to(image), []
            where = labels.to(image.device)
            for piece in pieces(samples, task.batch_size):
                mask = masks[piece][:, where].unsqueeze(1)
                states = image * mask + other * (1 - mask)
                images = torch.full((len(states),), index, device=image.device)
                scores.append(task.score.values(states, images))
                yield (index + piece.stop / samples) / n
            measured = torch.cat(scores)
            weights = fit(shown, measured.double().cpu().numpy())
            # A superpixel's weight is shared out evenly, so that the map adds up to the weights.
            shares = torch.from_numpy(weights) / torch.bincount(labels.flatten())
            maps.append(shares[labels])
            totals.append(measured[0] - measured[1])
        made = torch.stack(maps).unsqueeze(1).to(task.inputs)
        return Decomposition(made, torch.stack(totals)) if complete else made

    return work


lime, kernel_shap = _surrogate(_draw_lime, _fit_lime), _surrogate(_draw_shap, _fit_shap, complete=True)
