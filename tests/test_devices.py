"""Other devices: what computes elsewhere gives the same, and what does not fit into memory goes on in smaller parts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from samp_core import compare
from samp_core.archive import pack, unpack
from samp_core.attribution import Explanation
from samp_core.classifiers import Classifier, ClassifierError, load_classifier
from samp_core.cli import main
from samp_core.devices import devices, find_device, in_parts, whole_parts
from samp_core.films.recording import Recording, Take
from samp_core.images import Preprocessing
from samp_core.methods import METHODS, default_settings, make_method
from samp_core.metrics import METRICS, Subject
from samp_core.runs import begin, figure_png, maps_npz, record
from samp_core.scores import PathError
from tests.elsewhere import ELSEWHERE, Distant, elsewhere
from tests.test_heads import SMALL, plain
from ui.shared.state import Photo
from ui.work import worker
from ui.work.lane_run import LaneRun
from ui.work.queue import Item, Measuring
from ui.work.turns import Turns

SQUARE = Preprocessing(None, (32, 32), (0.5,) * 3, (0.5,) * 3, "bilinear")


@pytest.fixture(scope="module")
def here() -> Classifier:
    return load_classifier(plain(), preprocessing=SMALL).prepare()


@pytest.fixture(scope="module")
def there() -> Classifier:
    with elsewhere() as place:
        return load_classifier(plain(), preprocessing=SMALL).prepare().to(place)


@pytest.fixture
def away() -> Iterator[None]:
    with elsewhere():
        yield


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 256, (16, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def small(name: str, **more: Any) -> Any:
    """A method's settings at little cost."""
    options = {o.name: o.low for o in METHODS[name].options if o.name in ("steps", "samples", "masks") and o.low}
    return default_settings(name, **options, **more)


def transformer() -> Classifier:
    torch.manual_seed(0)
    network = VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5)
    nn.init.normal_(network.heads.head.weight)
    return load_classifier(network.eval(), preprocessing=SQUARE)


def map_of(classifier: Classifier, name: str, inputs: Tensor) -> Tensor:
    torch.manual_seed(0)
    return make_method(classifier, small(name)).attribute(inputs.to(classifier.device), 1)


def test_the_other_device_refuses_what_accelerators_refuse(away):
    far = torch.ones(2, device=ELSEWHERE)
    assert isinstance(far, Distant)
    assert torch.equal((far + 1).cpu(), torch.tensor([2.0, 2.0]))
    with pytest.raises(RuntimeError, match="same device"):
        far + torch.ones(2)
    with pytest.raises(RuntimeError):
        far.numpy()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_the_same_map_elsewhere(name, here, there):
    inputs = torch.randn(2, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    one, other = here, there
    if METHODS[name].family == "Attention":
        one, inputs = transformer(), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        with elsewhere() as place:
            other = one.to(place)
    expected = map_of(one, name, inputs)
    with elsewhere():
        found = map_of(other, name, inputs)
        assert found.device == ELSEWHERE
        # The same kernels work it out; what lies otherwise in memory may round otherwise.
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", [name for name in METRICS if name != "threads"])
def test_every_metric_gives_the_same_number_elsewhere(name, here, there):
    def measured(classifier: Classifier) -> list[Tensor]:
        generator = torch.Generator().manual_seed(1)
        inputs = torch.randn(1, 3, 16, 12, generator=generator).to(classifier.device)
        target = torch.tensor([1], device=classifier.device)
        method = make_method(classifier, small("ig"))

        def explain(network: nn.Module, images: Tensor) -> Tensor:
            return make_method(replace(classifier, network=network), small("ig")).attribute(images, target)

        maps = method.attribute(inputs, target)
        gap = torch.zeros(1, device=classifier.device)
        subject = Subject(classifier.network, inputs, target, maps, gap=gap, explain=explain, box=(0.2, 0.2, 0.8, 0.8))
        return [measurement.values.cpu() for measurement in METRICS[name].compute(subject)]

    expected = measured(here)
    with elsewhere():
        found = measured(there)
    for value, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(value, wanted, rtol=1e-3, atol=1e-4, equal_nan=True)


@pytest.mark.usefixtures("few_cells")
@pytest.mark.parametrize("name", ["samp", "samp++", "ig", "samp-steady", "grad-cam"])
def test_what_is_drawn_written_and_packed_of_a_run_elsewhere(name, there, photo, away, tmp_path):
    settings, run = begin(there, photo, small(name))
    explanation = run.finish()
    assert record(there, photo, "noise.png", settings, explanation)["machine"]["device"] == "meta"
    assert maps_npz(there, photo, explanation)
    assert figure_png(there, photo, settings, explanation)[:4] == b"\x89PNG"
    entry = compare.measure(there, photo, compare.Entry(settings, explanation))
    archive = unpack(pack(there, photo, "noise.png", [entry], with_photo=True))
    assert torch.equal(archive.entries[0].explanation.attributions, explanation.attributions.cpu())
    take = Take.of(there, photo, settings, 4)
    for piece in take.run:
        take.add(piece)
    recording = Recording(there, photo, "noise.png", [take.close()])
    recording.survey()
    recording.save(tmp_path / "film.html")
    assert (tmp_path / "film.html").stat().st_size > 10_000


def test_a_classifier_is_brought_elsewhere_as_a_copy():
    classifier = load_classifier(plain(), preprocessing=SMALL)
    assert classifier.device == torch.device("cpu")
    assert classifier.to("cpu") is classifier
    with elsewhere() as place:
        other = classifier.to(place)
        assert other.device == ELSEWHERE
        assert other.inputs(Image.new("RGB", (20, 20))).device == ELSEWHERE
        assert other.fingerprint == classifier.fingerprint
    assert classifier.device == torch.device("cpu")
    with pytest.raises(ClassifierError, match="cannot be brought to the device cuda:99"):
        classifier.to("cuda:99")


def test_a_copy_that_is_fast_is_made_elsewhere():
    classifier = load_classifier(plain(), preprocessing=SMALL)
    images = torch.randn(2, 3, 16, 12)
    with elsewhere() as place:
        fast = classifier.to(place).prepare()
        assert isinstance(fast.network.body[1], nn.Identity)  # type: ignore[index, union-attr]
        torch.testing.assert_close(fast(images.to(place)).cpu(), classifier(images), rtol=1e-4, atol=1e-5)


def test_devices_are_found_and_tried_out():
    assert devices()[-1] == "cpu"
    assert find_device("cpu") == torch.device("cpu")
    assert str(find_device("auto")) == devices()[0]
    for device in ("warp-drive", "meta", "cuda:99"):
        with pytest.raises(ValueError, match=f"'{device}' cannot be used: .*[^.]\\. Use --device cpu"):
            find_device(device)


def test_the_command_line_says_what_is_wrong_with_a_device(tmp_path, capsys, photo):
    photo.save(tmp_path / "noise.png")
    assert main(["explain", str(tmp_path / "noise.png"), "--out", str(tmp_path / "out"), "--device", "cuda:99"]) == 2
    assert "The device 'cuda:99' cannot be used" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Greedy(nn.Module):
    """A network for which there is room for so many images at once."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.inner, self.room = plain(), room
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.inner(x)  # type: ignore[no-any-return]


def explained(network: nn.Module, name: str, batch: int = 16) -> Explanation:
    classifier = Classifier("toy", network, ("a", "b", "c", "d"), SMALL, "")
    images = torch.randn(1, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    return make_method(classifier, default_settings(name, batch_size=batch)).explain(images, 1)


@pytest.mark.parametrize("name", ["ig", "smoothgrad", "rise", "samp-refined"])
def test_where_memory_runs_out_the_batch_shrinks_and_the_map_is_the_same(name):
    network = Greedy(room=3)
    found, wanted = explained(network, name), explained(plain(), name)
    torch.testing.assert_close(found.attributions, wanted.attributions, rtol=1e-3, atol=1e-6)
    enough = max(count for count in network.seen if count <= 3)
    assert found.notes == (f"Memory ran out with more, so the network was sent {enough} images at once.",)
    assert wanted.notes == ()
    # What was too much once is not tried again.
    too_much = [k for k, count in enumerate(network.seen) if count > 3]
    assert too_much == list(range(too_much[0], too_much[-1] + 1))
    assert (found.cost.gradients, found.cost.forwards) == (wanted.cost.gradients, wanted.cost.forwards)


def test_one_image_that_is_too_much_is_a_sentence():
    with pytest.raises(PathError, match=r"not enough for this network, even with one image at once.*Tried to allocate"):
        explained(Greedy(room=0), "ig")


def test_parts_are_as_large_as_memory_allows():
    def work(which: slice) -> int:
        if which.stop - which.start > 4:
            raise MemoryError
        return which.stop - which.start

    assert in_parts(10, 3, work) == ([3, 3, 3, 1], 3)
    assert in_parts(10, 16, work) == ([2, 2, 2, 2, 2], 2)
    with whole_parts(), pytest.raises(MemoryError):
        in_parts(10, 16, work)

    def broken(which: slice) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        in_parts(10, 16, broken)


@pytest.fixture
def in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers work where they are started: the other device is known to this thread alone."""

    class Now(threading.Thread):
        def start(self) -> None:
            self.run()

        def is_alive(self) -> bool:
            return False

    monkeypatch.setattr(worker.threading, "Thread", Now)


@pytest.mark.parametrize("name", ["samp", "ig", "samp-steady", "grad-cam"])
def test_the_pages_work_is_done_elsewhere_and_shown_here(name, there, photo, away, in_this_thread):
    settings = small(name, target=1)
    shown = Photo("noise.png", photo, "print")
    lane = LaneRun(Turns(1), there, shown, settings, "key", 1.0)
    lane.start()
    assert lane.status == "done", lane.error
    assert lane.explanation is not None
    assert lane.explanation.attributions.device == torch.device("cpu")
    assert lane.explanation.completeness.sums.device == torch.device("cpu")
    metrics = ["gap"]
    if name == "ig":  # what they give elsewhere is asked above, of each by itself
        metrics = [m for m in METRICS if METRICS[m].needs != "box" and m != "threads"]
    measuring = Measuring(there, photo, "noise.png", [Item("key", settings)], Turns(1), "print", metrics=metrics)
    measuring.start()
    (item,) = measuring.items
    assert item.status == "done", item.error
    assert item.entry is not None
    assert item.entry.explanation.attributions.device == torch.device("cpu")
    assert set(item.measured) == set(metrics)
