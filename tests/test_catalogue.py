"""What there is to choose from, how it is declared, and what other packages may add."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from samp_core import catalogue
from samp_core.catalogue import METHODS, RULES, register
from samp_core.methods import Option, Settings, default_settings
from samp_core.methods.options import SHARED
from ui.shared.knob import face

ROOT = Path(__file__).parents[1]


def readme_example(heading: str) -> str:
    """Return the first block of Python under a heading of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n", 1)[1]
    return section.split("```python\n", 1)[1].split("```", 1)[0]


RULE = '''
import torch
from samp_core import Rule, rule


class Middle(Rule):
    """Gradient in the middle of each move, times the move."""

    def __init__(self, ends, gradient_of):
        super().__init__(ends, gradient_of)
        self._total = torch.zeros_like(ends.start)

    def add(self, step):
        rows = step.active.nonzero().squeeze(1)
        gradient = self.gradient_of(step.state[rows] + step.move[rows] / 2, rows)[1]
        self._total[rows] += gradient * step.move[rows]

    def total(self):
        return self._total.clone()


RULE = rule("toy-middle", "Middle", "gradient in the middle of each move", Middle, lambda moves, nodes: moves)
'''


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """A folder with two installed packages outside of the project: one good, one whose method cannot be imported."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "toy_module.py").write_text(readme_example("Add a method"), encoding="utf-8")
    (folder / "toy_rule.py").write_text(RULE, encoding="utf-8")
    (folder / "broken_module.py").write_text("raise RuntimeError('no luck today')", encoding="utf-8")
    for name, points in {
        "toy": "[samp_core.methods]\ntoy = toy_module:METHOD\n[samp_core.rules]\ntoy-middle = toy_rule:RULE\n",
        "broken": "[samp_core.methods]\nbroken = broken_module:METHOD\nnumber = math:pi\n",
    }.items():
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(points, encoding="utf-8")
    return folder


PROGRAM = """
import json, sys, traceback
from contextlib import redirect_stdout
from io import StringIO

import pytest


class Passed:
    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            print("\\npassed", report.nodeid.partition("::")[2])


def properties():  # before anything else, as the checks of shapes come before what they check
    files = ["tests/test_paths.py", "tests/test_integrate.py"]
    which = "toy and (sum_to_end or each_state or linear or costs_beyond)"
    assert pytest.main([*files, "-k", which, "-p", "no:cacheprovider"], plugins=[Passed()]) == 0


def command(*words):
    from samp_core.cli import main
    try:
        assert not main([*words])
    except SystemExit as end:
        assert not end.code


def pages():
    from streamlit.testing.v1 import AppTest
    from tests.test_app import choose
    page = AppTest.from_file("app.py", default_timeout=60)
    page.query_params["network"] = "mnist_cnn"
    page.query_params["lanes"] = "toy,bands=3"
    page.run()
    page = page.switch_page("pages/1_Explain.py").run()
    assert not page.exception, page.exception
    stage = page.session_state["stage"]
    assert stage.in_hand.settings.method == "toy" and stage.in_hand.settings.options["bands"] == 3
    assert any(w.label == "Bands" and w.value == 3 for w in page.slider), [w.label for w in page.slider]
    assert any("Middle" in w.options for w in page.selectbox), "its rule"
    page = page.switch_page("pages/2_Compare.py").run()
    choose(page, "toy")
    assert not page.exception, page.exception
    assert any(w.label == "Bands" for w in page.slider), [w.label for w in page.slider]


photo, out, store = sys.argv[1:]
small = ["--model", "mnist_cnn"]
told = {}
for name, work, *words in [
    ("properties", properties),
    ("help", command, "--help"),
    ("help of explain", command, "explain", "--help"),
    ("explain", command, "explain", photo, "--out", out, "--method", "toy", "--steps", "3", "--bands", "2",
     "--accumulation", "toy-middle", *small),
    ("benchmark", command, "benchmark", "--images", photo, "--out", store, "--metrics", "gap", "--methods", "toy",
     *small),
    ("pages", pages),
]:
    failed = ""
    with redirect_stdout(StringIO()) as said:
        try:
            work(*words)
        except BaseException:
            failed = traceback.format_exc()
    told[name] = said.getvalue(), failed
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the program below writes."""
    return tmp_path_factory.mktemp("written")


@pytest.fixture(scope="module")
def told(packages, folder) -> Callable[[str], str]:
    """Do everything that knows of the packages in one process that has them, which starts but once.

    Yields what gives the words that one part said, or fails as it did.
    """
    from samp_core.images import load_sample

    load_sample("coffee").save(folder / "cup.png")
    path = os.pathsep.join([str(packages), str(ROOT)])
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *(str(folder / name) for name in ("cup.png", "explained", "r.sqlite"))],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    parts = json.loads(ended.stdout.splitlines()[-1])

    def part(name: str) -> str:
        said, failed = parts[name]
        assert not failed, failed + said
        return said

    return part


def test_a_method_of_another_package_is_in_the_help_with_its_options(told):
    words = " ".join(told("help").split())
    assert ", toy." in words
    assert "Left out: broken (RuntimeError: no luck today)" in words
    assert "Left out: number (TypeError: This is no method: a Method is needed, not a float.)" in words
    words = " ".join(told("help of explain").split())
    assert ",toy}" in words
    assert "toy-middle" in words.replace("- ", "-")  # where a line may be broken
    assert "--bands VALUE" in words
    assert "Left out: broken" in words


def test_a_method_of_another_package_is_explained_and_measured(told, folder):
    told("explain")
    run = json.loads((folder / "explained" / "run.json").read_text())
    assert run["settings"]["options"]["accumulation"] == "toy-middle"
    assert run["result"]["completeness"]["insertion"]["relative_gap"] < 0.5
    assert "| Rows first |" in told("benchmark")


def test_a_method_of_another_package_is_on_the_pages(told):
    told("pages")


def test_a_method_of_another_package_is_among_the_property_tests(told):
    passed = told("properties").splitlines()
    assert "passed test_moves_sum_to_end_minus_start[toy]" in passed
    assert "passed test_rule_gradients_is_what_a_rule_costs_beyond_paper[toy-middle-4]" in passed


def test_help_and_declarations_need_no_torch():
    program = (
        "import sys\n"
        "from samp_core.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "from samp_core.methods import default_settings\n"
        "default_settings('samp++', momentum=0.3)\n"
        "heavy = {'torch', 'torchvision', 'captum', 'numpy', 'scipy', 'skimage', 'sklearn', 'matplotlib', 'pandas',"
        " 'zennit', 'torchcam', 'streamlit'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_search_needs_no_library_of_other_methods(tmp_path):
    """What is heavy is imported by what needs it: two seconds of every start were spent on libraries nobody asked."""
    program = (
        "import sys\n"
        "from samp_core.images import load_sample\n"
        f"load_sample('coffee').save({str(tmp_path / 'cup.png')!r})\n"
        "from samp_core.cli import main\n"
        f"arguments = ['explain', {str(tmp_path / 'cup.png')!r}, '--out', {str(tmp_path)!r}, '--quiet']\n"
        "assert main([*arguments, '--method', 'samp', '--steps', '2', '--ic-tolerance', '1']) == 0\n"
        "heavy = {'torchvision', 'captum', 'sklearn', 'pandas', 'zennit', 'torchcam', 'streamlit', 'scipy.optimize',"
        " 'skimage.segmentation'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_first_words_of_a_page_need_no_torch():
    program = (
        "import sys\nimport ui.shared.frame, ui.shared.kept, ui.shared.loading\n"
        "heavy = {'torch', 'torchvision', 'captum', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def added():
    """Take away what a test registers."""
    before = set(METHODS), set(RULES)
    yield
    for entries, names in zip((METHODS, RULES), before, strict=True):
        for name in set(entries) - names:
            entries.unregister(name)


def test_registered_in_a_notebook_once_more_and_never_over_our_own(added):
    space: dict[str, object] = {}
    for _ in range(2):  # a cell is run again
        exec(readme_example("Add a method"), space)
        register(space["METHOD"])
    assert METHODS["toy"] is space["METHOD"]
    exec(RULE, space)
    register(space["RULE"])
    assert RULES["toy-middle"].is_integral
    assert Settings.from_dict(default_settings("toy", accumulation="toy-middle").to_dict()).settled()
    with pytest.raises(ValueError, match="There is a method 'ig' already"):
        register(METHODS["ig"])
    with pytest.raises(TypeError, match="Only methods and accumulation rules can be registered, not a float"):
        register(1.0)
    METHODS.unregister("ig")
    assert "ig" in METHODS, "our own stay"


def test_names_that_are_nearly_right_get_a_hint():
    with pytest.raises(ValueError, match=r"no method 'guided_ig'\. Did you mean 'guided-ig'\? Choose one of: samp"):
        METHODS.require("guided_ig")
    with pytest.raises(ValueError, match=r"no accumulation rule 'xyz'\. Choose one of: paper"):
        RULES.require("xyz")


@pytest.mark.parametrize("entries", [METHODS, RULES, catalogue.SCORES, catalogue.BASELINES])
def test_everything_to_choose_from_has_a_name_and_a_title(entries):
    for name, declaration in entries.items():
        assert declaration.name == name
        assert declaration.title
    assert len({declaration.title for declaration in entries.values()}) == len(entries)


OPTIONS = [(m.name, o) for m in METHODS.values() for o in m.options]


@pytest.mark.parametrize(("method", "option"), OPTIONS, ids=[f"{m}-{o.name}" for m, o in OPTIONS])
def test_what_an_option_writes_it_reads(method, option):
    values = [option.default, *([None] if option.off else [])]
    if option.is_several:
        values += [(name,) for name in option.titles]
    elif option.has_choices:
        values += list(option.titles)
    elif not option.is_text:
        values += [option.settle(v) for v in (option.low, option.high, *option.stops)]
    for value in values:
        if value is not None or option.off:
            assert option.read(option.write(value)) == value
    assert option.help.endswith(".")
    assert option.title
    if option.phrase == "":  # said only where it is not as published
        assert option.in_words(option.default) == ""


def test_an_option_that_is_nothing_as_published_can_be_shown():
    number = face(Option("most", "Most", "Most.", None, 1, 9, slider=(1, 4), whole=True, off="all"))
    assert (number.shown(None), number.value(None), number.more["placeholder"]) == (None, None, "all")
    stops = face(Option("most", "Most", "Most.", None, 1, 9, stops=(1, 2), whole=True, off="all"))
    assert [stops.more["format_func"](stop) for stop in stops.more["options"]] == ["all", "1", "2"]
    assert stops.value(stops.shown(None)) is None


def test_links_have_one_word_for_one_option():
    for method in METHODS.values():
        keys = [option.key for option in method.options]
        names = [option.name for option in method.options]
        assert len(set(keys)) == len(keys)
        assert len(set(names)) == len(names)
        assert not {o.name for o in SHARED} & set(names)


EARLIER = {  # as version 0.1 wrote them
    "method": "samp++", "steps": None, "pixels_per_step": 900, "momentum": 0.8, "ic_tolerance": 0.05,
    "directions": ["insertion"], "deletion_baseline": "mean", "insertion_baseline": "white", "accumulation": "gauss",
    "gauss_nodes": 3, "tie_band": 1e-6, "max_steps": 500, "score": "probability", "target": 5, "contrast": None,
    "seed": 4, "options": {}, "batch_size": 8,
}  # fmt: skip


def test_settings_of_earlier_versions_are_read():
    settings = Settings.from_dict(EARLIER)
    assert settings == default_settings(
        "samp++", pixels_per_step=900, momentum=0.8, ic_tolerance=0.05, directions=("insertion",),
        deletion_baseline="mean", insertion_baseline="white", accumulation="gauss", gauss_nodes=3, tie_band=1e-6,
        max_steps=500, score="probability", target=5, seed=4, batch_size=8,
    )  # fmt: skip
    assert settings.settled() == settings
    # What meant nothing to a method is not carried along.
    smooth = Settings.from_dict({**EARLIER, "method": "smoothgrad", "options": {"samples": 3, "noise": 0.2}})
    assert smooth.settled() == default_settings(
        "smoothgrad", samples=3, noise=0.2, score="probability", target=5, seed=4, batch_size=8
    )
    guided = {**EARLIER, "method": "guided-ig", "steps": 7, "options": {"fraction": 0.5, "max_dist": 0.1}}
    assert Settings.from_dict(guided).settled() == default_settings(
        "guided-ig", steps=7, fraction=0.5, max_dist=0.1, accumulation="gauss", gauss_nodes=3,
        insertion_baseline="white", score="probability", target=5, seed=4, batch_size=8,
    )  # fmt: skip
    assert Settings.from_dict(Settings.from_dict(guided).to_dict()) == Settings.from_dict(guided)


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": "entropy"}, "no score 'entropy'"),
        ({"target": -1}, "target must be from 0"),
        ({"target": 1.5}, "target must be from 0 to 1,000,000,000, a whole number"),
        ({"seed": float("nan")}, "seed must be from 0"),
        ({"batch_size": 0}, "batch_size must be from 1 to 4,096, a whole number, not 0"),
    ],
    ids=str,
)
def test_what_all_methods_share_is_refused_in_a_sentence(change, words):
    for name in METHODS:
        with pytest.raises(ValueError, match=words):
            default_settings(name, **change).settled()


def test_giving_one_of_a_pair_takes_the_other_away():
    published = default_settings("samp++")
    pixels = published.changed(pixels_per_step=9)
    assert (pixels.options["steps"], pixels.options["pixels_per_step"]) == (None, 9)
    assert pixels.changed(steps=5).options["pixels_per_step"] is None
    with pytest.raises(ValueError, match="needs either steps or pixels_per_step"):
        published.changed(steps=5, pixels_per_step=9).settled()
    with pytest.raises(ValueError, match=r"SAMP\+\+ has no option step\. It has: steps"):
        published.changed(step=5)


def test_options_of_a_rule_count_only_with_that_rule():
    (nodes,) = (o for o in METHODS["ig"].options if o.name == "gauss_nodes")
    assert nodes.counts({"accumulation": "gauss"})
    assert not nodes.counts({"accumulation": "paper"})
    start = METHODS["samp"].option("insertion_baseline")
    assert isinstance(start, Option)
    assert start.counts({"directions": ("deletion", "insertion")})
    assert not start.counts({"directions": ("deletion",)})


def test_a_method_can_be_used_by_hand(smooth, toys):
    """What the README's example gives is a method like any other."""
    from samp_core.images import Preprocessing

    space: dict[str, object] = {}
    exec(readme_example("Add a method"), space)
    settings = default_settings("ig")
    method = space["METHOD"]
    own = Settings("toy", options={o.name: o.default for o in method.options})
    made = method.make(smooth, Preprocessing(None, (12, 10), (0.0,), (1.0,)), own)
    maps = made.attribute(toys, [0, 1, 2])
    with torch.no_grad():
        change = (smooth(toys) - smooth(torch.zeros_like(toys)))[range(3), range(3)]
    torch.testing.assert_close(maps.sum((1, 2, 3)), change, atol=2e-2, rtol=0)
    assert settings.method == "ig"


def test_a_declaration_at_fault_is_a_sentence(added, bundled):
    from samp_core.methods import make_method, path_method

    def declared(name: str, **more):
        return path_method(name, name, summary="It fails.", citation="None.", **more)

    with pytest.raises(ValueError, match=r"'twice' has two options called seed, or one that all methods share"):
        declared("twice", path=lambda o: None, options=(Option("seed", "Seed", "Its own.", 0, 0, 9),))
    register(declared("hasty", path=lambda o: o.stepps))
    with pytest.raises(ValueError, match=r"hasty could not be made: AttributeError: .*stepps.* at fault"):
        make_method(bundled, default_settings("hasty", target=1))
