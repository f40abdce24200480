"""Reveal-IG: from broad noise to the very photo, through distributions instead of images."""

from samp_core import maps
from samp_core.methods.declaration import FORWARD, direct_method
from samp_core.methods.options import Option, baseline, steps

METHOD = direct_method(
    "reveal-ig",
    "Reveal-IG",
    family="Gradients",
    summary="The photo is revealed: probes go from broad noise around a blank image to the very photo, and what the "
    "expected score gains on the way is credited.",
    citation="Murphy and Shrestha. Attribution via Distributional Paths for Information Revelation. 2026. "
    "arXiv:2606.03885",
    limits="Made after the paper's abstract, not its code: independent Gaussian probes whose mean and deviation go "
    "straight to the photo and to 0, without the paper's multiscale probes. So it is the mean of Integrated Gradients "
    "from noisy starts, and without noise just that. Adds up to the score's rise above its first probes; another "
    "seed draws others.",
    work=lambda task, o: maps.reveal_ig(task, task.baseline(o.start), o.steps, o.samples, o.noise),
    gradients=lambda asked, o: o.steps * o.samples + FORWARD * (1 + o.samples),
    options=(
        steps(16, "At how many times between broad noise and the photo the gradient is taken."),
        Option(
            "samples", "Probes", "How many are drawn at each time.", 4, 1, 500, slider=(1, 32),
            phrase="{value} probe{s}",
        ),
        Option(
            "noise", "First noise", "Standard deviation of the first probes, in units of the network's normalised "
            "space, where photos' values have about 1.", 0.5, 0.0, 5.0, 0.05, slider=(0.0, 2.0), phrase="noise {value}",
        ),
        baseline("start", "First mean", "The image around which the first probes are drawn.", "zero", minor=True),
    ),
)  # fmt: skip
