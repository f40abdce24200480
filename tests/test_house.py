"""House rules that a reader would have to check by eye: who may import whom, and what is declared."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "samp_core").rglob("*.py"))
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]
VIEW = [*sorted((ROOT / "ui").rglob("*.py")), *PAGES]
EVERYTHING = [*CORE, *VIEW]
PLACES = {"st", "st.sidebar", "left", "middle", "right", "first", "last", "column"}  # where Streamlit's widgets stand
# Those that show nothing, or their minimum, without a default: its keyword and its place.
DEFAULTS = {
    "segmented_control": ("default", None), "pills": ("default", None), "multiselect": ("default", 2),
    "slider": ("value", 3), "select_slider": ("value", 2), "number_input": ("value", 3),
}  # fmt: skip
CHAIN = [  # each may import from those before it
    *(
        "version",
        "catalogue",
        "process",
        "order",
        "checkpoints",
        "files",
        "decoding",
        "images",
        "bundled",
        "networks",
        "devices",
        "digit_transformer",
        "digit_networks",
        "heads",
        "prepare",
        "own",
    ),
    *(
        "zoo_torchvision",
        "zoo_timm",
        "zoo_programs",
        "zoo",
        "classifiers",
        "digits",
        "scores",
        "baselines",
        "paths",
        "rules",
        "plane",
        "attribution",
        "maps",
    ),
    *("methods", "faces", "metrics", "lesson", "render", "figures", "runs", "words", "films", "compare", "archive"),
    *("library", "benchmark", "sweep", "cli", "__main__"),
]
NOT_FOR_METRICS = {"maps", "methods", "faces"}  # a measure does not know what made the map


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), name(path))


@cache
def imports(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports from, wherever in the file it does."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: imports here are absolute"
            assert node.module
            # "from samp_core import runs" would hide the module's name
            found |= {f"{node.module}.{a.name}" if node.module == "samp_core" else node.module for a in node.names}
    return found


def link(path: Path) -> str:
    """Return the link of the chain that a file of samp_core belongs to."""
    return path.relative_to(ROOT / "samp_core").parts[0].removesuffix(".py")


@cache
def names(path: Path) -> set[str]:
    """Return every name that a file's code uses; strings and comments do not count."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name)
    return found


def test_the_chain_names_every_module():
    assert {link(path) for path in CORE} == {*CHAIN, "__init__"}


@pytest.mark.parametrize("path", CORE, ids=name)
def test_core_knows_no_interface(path):
    tops = {module.split(".")[0] for module in imports(path)}
    assert not tops & {"streamlit", "plotly", "ui", "pages", "app"}


@pytest.mark.parametrize("path", [p for p in CORE if link(p) != "__init__"], ids=name)
def test_imports_point_to_the_left(path):
    own = link(path)
    allowed = set(CHAIN[: CHAIN.index(own)])
    if path.parent.name != "samp_core":
        allowed.add(own)  # a package's files know each other
    if own == "metrics":
        allowed -= NOT_FOR_METRICS
    used = {m.split(".")[1] for m in imports(path) if m.startswith("samp_core.")}
    assert used <= allowed


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_nobody_imports_the_whole_package(path):
    assert "samp_core" not in imports(path)


@pytest.mark.parametrize("folder", ["paths", "rules", "maps", "methods"])
def test_nothing_names_another_method(folder):
    """Only the catalogue knows every method, path and rule, so that adding one touches nothing else."""
    shared = {"__init__", "base", "common", "declaration", "greedy", "measured", "options", "refined", "settings"}
    inside = sorted((ROOT / "samp_core" / folder).glob("*.py"))
    files = [p for p in inside if p.stem not in shared and not p.stem.startswith("_")]
    assert len(files) >= 2
    theirs = {p: {n.name for n in tree(p).body if isinstance(n, ast.ClassDef)} for p in files}
    # Paths and maps are named by the methods that are made of them, and paths by the classes that are public faces.
    within = (f"samp_core/{folder}", "samp_core/methods", *["samp_core/faces"] * (folder == "paths"))
    # The lesson is about SAMP, and a new method does not change it.
    outside = [p for p in CORE if p.stem != "__init__" and link(p) != "lesson" and not name(p).startswith(within)]
    for path in [*outside, *(p for p in inside if p.stem != "__init__")]:
        others = [other for other in files if other != path]
        modules = {f"samp_core.{folder.replace('/', '.')}.{other.stem}" for other in others}
        assert not imports(path) & modules, name(path)
        assert not names(path) & set().union(*(theirs[other] for other in others)), name(path)


def test_every_import_is_declared():
    def listed_after(file: str, heading: str) -> set[str]:
        return {
            re.sub("[-_.]+", "-", re.split(r"[<>=!~\[; ]", line)[0]).lower()
            for line in (ROOT / file).read_text().partition(heading)[2].splitlines()
            if line and not line.startswith(("#", "-"))
        }

    def listed(file: str) -> set[str]:
        return listed_after(file, "\n")

    declared = listed("requirements.txt")
    engine = declared - listed_after("requirements.txt", "# == app ==")
    owners = packages_distributions()
    for path in EVERYTHING:
        for top in {module.split(".")[0] for module in imports(path)}:
            if top in sys.stdlib_module_names or top in ("samp_core", "ui"):
                continue
            packages = {re.sub("[-_.]+", "-", owner).lower() for owner in owners[top]}
            known = engine if path in CORE else declared
            known = known | listed("requirements-ray.txt") if path.stem == "cluster" else known
            known = known | listed("requirements-video.txt") if path.stem == "animation" else known
            known = known | listed("requirements-timm.txt") if path.stem == "zoo_timm" else known
            assert packages & known, f"{name(path)} imports {top}, which requirements.txt does not list"


SCRIPTS = [*sorted((ROOT / "benchmarks").glob("*.py")), *sorted((ROOT / "assets").glob("*.py"))]


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_scripts_find_what_they_import(path):
    """The README's figures come with commands, and nothing else here would notice that one no longer begins."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


SHOWN = {"caption", "markdown", "warning", "error", "info", "success", "write", "toast"}
GIVEN = {  # what others wrote: names of files, photos and classes, and errors that hold them
    *("against", "error", "label", "name", "note", "notes", "now", "photo", "protocol", "protocols"),
    *("score", "why"),
}


def bare(node: ast.AST) -> Iterator[str]:
    """Yield the names in an expression, those within plain() and within an index left out."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "plain":
        return
    if isinstance(node, ast.Name):
        yield node.id
    if isinstance(node, ast.Attribute):
        yield node.attr
    inside = [node.value] if isinstance(node, ast.Attribute | ast.Subscript) else ast.iter_child_nodes(node)
    for child in inside:
        if not (isinstance(node, ast.Attribute) and isinstance(child, ast.Name)):  # photo.size is no photo
            yield from bare(child)


# The lesson is left out: nothing in it was written by others.
@pytest.mark.parametrize("path", [*(p for p in VIEW if "learn" not in p.parts)], ids=name)
def test_what_others_wrote_is_shown_as_text(path):
    """Streamlit reads nearly every text as Markdown, in which a file's name could fetch a picture from anywhere."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            texts = node.args if node.func.attr in SHOWN else []
            texts = [*texts, *(k.value for k in node.keywords if k.arg in ("text", "caption", "body"))]
            for text in texts:
                found = set(bare(text)) & GIVEN
                assert not found, f"{name(path)}:{node.lineno} shows {found} without plain() of ui/shared/words.py"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_pages_hold_no_algorithm(path):
    tops = {module.split(".")[0] for module in imports(path)}
    assert tops & {"ui", "streamlit"}
    assert not tops & {"torch", "torchvision", "numpy", "scipy", "captum"}


@cache
def _calls(path: Path) -> list[ast.Call]:
    return [
        node for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]


@cache
def _keys() -> set[str]:
    """Return the keys of all widgets, as the code says them."""
    return {ast.unparse(k.value) for path in VIEW for call in _calls(path) for k in call.keywords if k.arg == "key"}


@pytest.mark.parametrize("path", VIEW, ids=name)
def test_a_widget_has_its_own_default(path):
    """What only session_state knows of a widget is lost on the way to another page: see ui/shared/kept.py."""
    keys = _keys()
    for call in _calls(path):
        if call.func.attr != "setdefault" and call.func.attr not in DEFAULTS:
            continue
        words = ast.unparse(call)
        if call.func.attr == "setdefault" and ast.unparse(call.func.value).endswith("session_state"):
            assert ast.unparse(call.args[0]) not in keys, f"{name(path)}: {words} is the key of a widget"
        if call.func.attr not in DEFAULTS or not any(k.arg == "key" for k in call.keywords):
            continue
        if ast.unparse(call.func.value) not in PLACES:
            continue  # of ui/shared/kept.py, which gives the default
        word, place = DEFAULTS[call.func.attr]
        given = {k.arg for k in call.keywords}
        assert word in given or (place is not None and len(call.args) > place), f"{name(path)}: {words} has no default"


ROOMS = {"stage", "compare", "metrics", "tune", "learn"}  # one page each


@pytest.mark.parametrize("path", VIEW, ids=name)
def test_pages_share_by_what_is_shared_and_not_by_each_other(path):
    """Pages of one folder import no other page's; what they share stands in shared/, work/ and components/."""
    parts = path.relative_to(ROOT).parts
    own = parts[1] if parts[0] == "ui" and len(parts) > 2 else ""
    used = {module.split(".")[1] for module in imports(path) if module.startswith("ui.")}
    if parts[0] == "pages":
        own = {"Explain": "stage"}.get(path.stem[2:], path.stem[2:].lower())
    assert not (used & ROOMS) - {own}, f"{name(path)} imports another page's"
    if own == "components":
        assert not used - {"components"}, f"{name(path)}: a component is told everything that it shows"
