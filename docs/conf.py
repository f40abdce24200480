"""API reference, made from the docstrings: ``sphinx-build -W docs docs/_build``."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from samp_core.version import __version__  # noqa: E402

project = "samp_core"
release = version = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.apidoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
apidoc_modules = [
    {
        "path": str(ROOT / "samp_core"),
        "destination": "api",
        "separate_modules": True,
        "module_first": True,
        "exclude_patterns": [str(ROOT / "samp_core" / "__main__.py")],
    }
]
autodoc_typehints = "signature"
# A name is documented where it is defined, and not again where a package passes it on.
autodoc_default_options = {"ignore-module-all": True}
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"samp_core {release}"
