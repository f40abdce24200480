"""Adversarial Gradient Integration: from the photo to where other classes win."""

from samp_core import paths
from samp_core.methods.declaration import leaving_image, path_method
from samp_core.methods.options import Option, steps

MOST = 4
_NUMBERS = ("1st", "2nd", "3rd", "4th")

METHOD = path_method(
    "agi",
    "AGI",
    summary="From the photo to the nearest images that the network takes for other classes: what was lost on the way "
    "spoke for this one.",
    citation="Pan, Li and Zhu. Explaining Deep Neural Network Models with Adversarial Gradient Integration. IJCAI 2021",
    limits="Where its paths end is not known before, so it adds up to the score's change up to there, and the maps of "
    "two photos have nothing common to start from. Steps are large (0.05 is 13 grey levels), so the published sum is "
    "some 30 times the change; beginning each step at the photo again, as the published code does, it is the integral "
    "of no path. A path whose class has not won after the most moves ends where it is. The paper explains the "
    "probability.",
    path=lambda o: paths.AdversarialPath(
        o.classes,
        tuple(o.step / std for std in o.preprocessing.std),
        o.steps,
        o.restart == "photo",
        o.preprocessing.value(0.0),
        o.preprocessing.value(1.0),
    ),
    ends=tuple(
        leaving_image(f"class-{k + 1}", f"Toward the {number} other class", f"{number} other", ("classes", k + 1))
        for k, number in enumerate(_NUMBERS)
    ),
    rule="paper",
    exclusive=True,
    options=(
        Option(
            "classes", "Other classes", "Towards how many other classes it walks, evenly spaced over all of them.", 3,
            1, MOST, phrase="classes {value}",
        ),
        Option(
            "step", "Step", "How far every value moves in a step, of the range 0 to 1 that images have.", 0.05, 0.001,
            1.0, 0.005, slider=(0.005, 0.1), phrase="step {value}",
        ),
        steps(20, "The most moves towards each class.", slider=(1, 50), phrase="at most {value} move{s}"),
        Option(
            "restart", "Each step begins", "At the last image, as the paper says, or at the photo again, as its "
            "published code does.", "last", choices={"last": "Where the last ended", "photo": "At the photo"},
            minor=True, phrase="",
        ),
    ),
)  # fmt: skip
