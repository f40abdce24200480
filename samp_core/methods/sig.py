"""Spectral Integrated Gradients: the components of the way open from strong to weak."""

from samp_core import paths
from samp_core.methods.declaration import path_method, toward_image
from samp_core.methods.options import Option, steps

METHOD = path_method(
    "sig",
    "Spectral IG",
    summary="The photo is taken apart into components, and the strong ones fade in before the weak ones.",
    citation="Kim, Lim, Lee and Choi. Spectral Integrated Gradients for Coarse-to-Fine Feature Attribution. KDD 2026. "
    "arXiv:2605.19607",
    limits="Complete as every path is, but strong is not coarse: singular components are no scales, and pyramid and "
    "wavelets open their finest bands second, as the authors' code does.",
    path=lambda o: paths.SpectralPath(o.steps, o.overlap, o.basis),
    ends=toward_image(title="Strong to weak"),
    rule="paper",
    options=(
        steps(50),
        Option(
            "overlap",
            "Overlap",
            "Share of the path in which each component fades in; 1 is the straight line.",
            0.4,
            0.01,
            1.0,
            0.05,
            slider=(0.05, 1.0),
        ),
        Option(
            "basis",
            "Basis",
            "What the way from start to photo is taken apart into.",
            "svd",
            choices={
                "svd": "Singular components of each channel",
                "svd-joint": "Singular components of all channels",
                "dct": "Cosines",
                "laplacian": "Laplacian pyramid",
                "wavelet": "Haar wavelets",
            },
            phrase="",
        ),
    ),
)
