"""How a method declares itself. Everything else follows: flags, knobs, links, descriptions, estimates, tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from samp_core import attribution
from samp_core.catalogue import BASELINES, METHODS
from samp_core.methods.options import COPIES, DIRECTIONS, SHARED, Option, Value, baseline
from samp_core.methods.options import rule as rule_options
from samp_core.methods.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from samp_core.attribution import AttributionMethod, Task
    from samp_core.attribution.direct import Pieces
    from samp_core.baselines import Baseline
    from samp_core.classifiers import Classifier
    from samp_core.images import Preprocessing
    from samp_core.paths import OpenPath, Path

PATHS = "Path methods"
"""Family of the methods that walk a path."""

FORWARD = 1 / 3
"""What a forward pass counts beside a gradient evaluation, in estimates."""

Options = Any
"""A method's settled options, by attribute: ``o.steps``."""


@dataclass(frozen=True)
class End:
    """Where a direction starts or ends, if that is not the photo.

    Attributes:
        option: name of the option that names the baseline; empty if the method has an image of its own.
        words: what its own image is called, a format of its options.
        make: makes its own image, given the options.
    """

    option: str = ""
    words: str = ""
    make: Callable[[Options], Baseline] | None = None


@dataclass(frozen=True)
class Direction:
    """One way that a method walks: its name, its title, and the end that is not the photo.

    Attributes:
        name: as files hold it; ``insertion`` walks to the photo, any other away from it.
        title: what people call it.
        end: the other end.
        least: name of an option, and the least value of it with which this direction is walked; None: always.
    """

    name: str
    title: str
    end: End
    least: tuple[str, int] | None = None

    @property
    def is_toward(self) -> bool:
        """Whether it walks to the photo."""
        return self.name == "insertion"

    def is_walked(self, options: Mapping[str, Value]) -> bool:
        """Return whether it is walked with these options."""
        wanted = options.get("directions")
        if isinstance(wanted, tuple) and self.name not in wanted:
            return False
        number = options.get(self.least[0]) if self.least else None
        return self.least is None or not isinstance(number, int | float) or number >= self.least[1]


@dataclass(frozen=True)
class Asked:
    """What decides the cost of a method without a path, beside its options: the network and the image's size."""

    network: nn.Module
    height: int
    width: int


Builder = Callable[["nn.Module | Callable[..., Tensor]", "Preprocessing", Settings], "AttributionMethod"]


Earlier = Callable[[str, dict[str, Value]], tuple[str, dict[str, Value]]]
"""A method's name and options, as a file holds them, to name and options that mean the same now."""


def as_is(name: str, options: dict[str, Value]) -> tuple[str, dict[str, Value]]:
    """Return what a file holds: it means the same as ever."""
    return name, options


@dataclass(frozen=True)
class Method:
    """One attribution method: all that pages, command line, files and tests need to know of it.

    Attributes:
        name: what command line and files call it.
        title: what people call it.
        family: group it is shown in.
        summary: one sentence for somebody who has never heard of it.
        citation: where it comes from.
        limits: what it cannot do, in a sentence; empty if nothing is known.
        options: its settings, most important first.
        directions: the ways it walks; empty if it walks no path.
        make: builds it for a network; the settings given to it are settled.
        sketch: values of some options with which it gives a quick first look at itself; empty if it has none.
        exclusive: whether it asks which class comes first, and so is for networks whose classes exclude each other.
        earlier: from its name and options as a file holds them to what they mean now, where an earlier version of it
            meant something else or had fewer options.
    """

    name: str
    title: str
    family: str
    summary: str
    citation: str
    limits: str
    options: tuple[Option, ...]
    directions: tuple[Direction, ...]
    make: Builder
    sketch: Mapping[str, Value] = field(default_factory=dict, hash=False)
    exclusive: bool = False
    earlier: Earlier = as_is

    def __post_init__(self) -> None:
        names = [option.name for option in (*self.options, *SHARED)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"The method {self.name!r} has two options called {', '.join(twice)}, or one that all methods share "
                f"({', '.join(option.name for option in SHARED)}). Choose other names."
            )

    @cached_property
    def defaults(self) -> Settings:
        """Its settings as published."""
        return Settings(self.name, options={option.name: option.default for option in self.options})

    @property
    def has_path(self) -> bool:
        """Whether it walks a path, so that there are states, score curves and a completeness gap."""
        return bool(self.directions)

    @property
    def is_search(self) -> bool:
        """Whether its path is searched, step by step, for what changes the score."""
        return any(option.name == "directions" for option in self.options)

    def option(self, name: str) -> Option | None:
        """Return one of its options by name, if it has it."""
        return next((option for option in self.options if option.name == name), None)

    def walked(self, options: Mapping[str, Value]) -> tuple[Direction, ...]:
        """Return the directions that it walks with these options."""
        return tuple(d for d in self.directions if d.is_walked(options))

    def ways(self, options: Mapping[str, Value]) -> tuple[tuple[str, str], ...]:
        """Return start and end of each direction walked, in words: ``photo`` or what a baseline is called in files."""

        def word(end: End) -> str:
            return str(options.get(end.option, "")) if end.option else end.words.format(**options)

        walked = ((d, word(d.end)) for d in self.walked(options))
        return tuple((other, "photo") if d.is_toward else ("photo", other) for d, other in walked)


def toward_image(
    option: str = "insertion_baseline",
    title: str = "Path",
    words: str = "",
    start: Callable[[Options], Baseline] | None = None,
) -> tuple[Direction, ...]:
    """Return the one direction of a path that walks to the image.

    Args:
        option: name of the option that names the baseline it starts at; without effect if ``start`` is given.
        title: what the path is called, e.g. ``Straight line``.
        words: what its own start is called.
        start: makes its own start.
    """
    end = End(option) if start is None else End(words=words, make=start)
    return (Direction("insertion", title, end),)


def both_ways(deletion: str = "deletion_baseline", insertion: str = "insertion_baseline") -> tuple[Direction, ...]:
    """Return the two directions of a search: away from the image, and to it; given the options that name their ends."""
    ends = {"deletion": deletion, "insertion": insertion}
    return tuple(Direction(name, title, End(ends[name])) for name, title in DIRECTIONS.items())


def leaving_image(name: str, title: str, words: str, least: tuple[str, int] | None = None) -> Direction:
    """Return a direction of an open path, which leaves the image for where its objective leads.

    Args:
        name: as files hold it.
        title: what the path is called.
        words: what its end is called, a format of its options.
        least: see :class:`Direction`.
    """
    return Direction(name, title, End(words=words, make=lambda o: attribution.not_known), least)


def path_method(
    name: str,
    title: str,
    *,
    path: Callable[[Options], Path | OpenPath],
    summary: str,
    citation: str,
    limits: str = "",
    ends: tuple[Direction, ...] = toward_image(),
    rule: str = "trapezoid",
    baselines: Mapping[str, str] | None = None,
    options: tuple[Option, ...] = (),
    family: str = PATHS,
    sketch: Mapping[str, Value] | None = None,
    exclusive: bool = False,
    earlier: Earlier = as_is,
) -> Method:
    """Declare a method that walks a path.

    Args:
        name: what command line and files call it.
        title: what people call it.
        path: makes the path from the settled options, ``lambda o: MyPath(o.steps)``; ``o.preprocessing`` says how the
            photo was prepared, and ``o.seed`` is for what is random.
        summary: one sentence for somebody who has never heard of it.
        citation: where it comes from.
        limits: what it cannot do.
        ends: the directions it walks: :func:`toward_image` or :func:`both_ways`, of an open path each a
            :func:`leaving_image`.
        rule: the published accumulation rule; a name in :data:`~samp_core.catalogue.RULES`.
        baselines: the published baseline of each end, by option; ``zero`` if not given.
        options: its own options, most important first. How it is added up and where it starts are added.
        family: group it is shown in.
        sketch: options with which it gives a quick first look.
        exclusive: whether it is for networks alone whose classes exclude each other.
        earlier: see :class:`Method`.
    """
    own = {option.name for option in options}
    published = baselines or {}
    starts = tuple(
        baseline(
            d.end.option, "The path starts at" if d.is_toward else "The path ends at",
            "The image without content at the other end of the path.", published.get(d.end.option, "zero"), minor=True,
            short="start" if d.is_toward else "end",
        )
        for d in ends
        if d.end.option and d.end.option not in own
    )  # fmt: skip
    # How it is added up stands behind what steers the path, before what most people leave alone.
    main = tuple(option for option in options if not option.minor)
    minor = tuple(option for option in options if option.minor)
    everything = (*main, *rule_options(rule), *starts, *minor, *COPIES)

    def make(
        forward_func: nn.Module | Callable[..., Tensor], preprocessing: Preprocessing, settings: Settings
    ) -> AttributionMethod:
        o = SimpleNamespace(**{**settings.options, "preprocessing": preprocessing, "seed": settings.seed})
        ways = []
        for d in method.walked(settings.options):
            other = (
                d.end.make(o) if d.end.make else BASELINES[getattr(o, d.end.option)].make(preprocessing, settings.seed)
            )
            ways.append(attribution.Way(d.name, *((other, None) if d.is_toward else (None, other))))
        return attribution.PathMethod(
            forward_func,
            path(o),
            ways,
            accumulation=o.accumulation,
            gauss_nodes=o.gauss_nodes,
            score=settings.make_score(),
            batch_size=settings.batch_size,
        )

    method = Method(
        name, title, family, summary, citation, limits, everything, ends, make, sketch or {}, exclusive, earlier
    )
    return method


def direct_method(
    name: str,
    title: str,
    *,
    family: str,
    work: Callable[[Task, Options], Pieces],
    gradients: Callable[[Asked, Options], float],
    summary: str,
    citation: str,
    limits: str = "",
    options: tuple[Option, ...] = (),
) -> Method:
    """Declare a method without a path.

    Args:
        name: what command line and files call it.
        title: what people call it.
        family: group it is shown in.
        work: does the work, piece by piece: ``lambda task, o: my_work(task, o.samples)``; see
            :data:`~samp_core.attribution.direct.Pieces`.
        gradients: cost of one image in gradient evaluations, given an :class:`Asked` and the options; forward passes
            count :data:`FORWARD`.
        summary: one sentence for somebody who has never heard of it.
        citation: where it comes from.
        limits: what it cannot do.
        options: its options, most important first.
    """

    def make(
        forward_func: nn.Module | Callable[..., Tensor], preprocessing: Preprocessing, settings: Settings
    ) -> AttributionMethod:
        o = SimpleNamespace(**settings.options)
        network = cast("nn.Module", forward_func)  # methods that look inside refuse what is no module
        return attribution.DirectMethod(
            network,
            lambda task: work(task, o),
            score=settings.make_score(),
            gradients=lambda height, width: gradients(Asked(network, height, width), o),
            preprocessing=preprocessing,
            batch_size=settings.batch_size,
            seed=settings.seed,
        )

    return Method(name, title, family, summary, citation, limits, (*options, *COPIES), (), make)


def steadied(method: AttributionMethod, settings: Settings) -> AttributionMethod:
    """Return a method over the copies that its settings ask for; itself if that is the photo alone."""
    o = settings.options
    if o.get("copies", 1) == 1:  # or a declaration made by hand has none
        return method
    copies = attribution.Copies(
        cast("int", o["copies"]),
        cast("float", o["copy_noise"]),
        cast("int", o["copy_shift"]),
        settings.seed,
        cast("int | None", o.get("copies_at_once")),
    )
    return attribution.Steady(method, copies)


def make_method(classifier: Classifier, settings: Settings) -> AttributionMethod:
    """Build the method that ``settings`` describe, for this classifier.

    Raises:
        ValueError: a name is unknown, an option missing, a value out of its range, or the score means nothing for this
            classifier; as an ``UnsupportedError``, if the method is for networks of the other kind, multi-label or not.
    """
    from samp_core.scores import require_score  # noqa: PLC0415 - methods are listed without torch

    settled = settings.settled()
    method: Method = METHODS[settled.method]
    require_score(settled.score, classifier.multi_label)
    if method.exclusive and classifier.multi_label:
        raise attribution.UnsupportedError(
            f"{method.title} walks until another class comes first, and the classes of a multi-label network do not "
            "exclude each other. Choose another path method."
        )
    try:
        return steadied(method.make(classifier.network, classifier.preprocessing, settled), settled)
    except (ValueError, RuntimeError):
        raise
    except Exception as error:  # a declaration of another package can do anything
        raise ValueError(
            f"{method.title} could not be made: {type(error).__name__}: {error}. Its declaration is probably at fault."
        ) from error
