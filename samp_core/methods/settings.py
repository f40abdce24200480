"""Everything that decides a map, apart from image and network, in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from samp_core.catalogue import METHODS, SCORES
from samp_core.methods.options import COPIES, SEARCH, SHARED, Value, rule, settle

if TYPE_CHECKING:
    from samp_core.scores import Score

# What settings held as fields of every method before each method's options held them; files may still be so.
_ONCE_FIELDS = {option.name for option in (*SEARCH, *rule("paper"))}


@dataclass(frozen=True)
class Settings:
    """What is asked of which method, in plain values that a file can hold.

    Attributes:
        method: name in :data:`~samp_core.catalogue.METHODS`.
        score: name in :data:`~samp_core.catalogue.SCORES`; not used with a contrast.
        target: explained class index; None until one is chosen.
        contrast: class index to contrast the target with, or None.
        seed: seed of everything random: the noise baseline, and what a method draws for a photo. A search draws
            nothing, but it amplifies rounding, so it gives the same map again only for the same threads, batch and
            device.
        batch_size: most images sent through the network at once. Decides memory and speed, and how the network rounds:
            a search's map depends on that, others to rounding only.
        options: the method's own settings; see its :attr:`~samp_core.methods.Method.options`.
    """

    method: str = "samp++"
    score: str = "logit"
    target: int | None = None
    contrast: int | None = None
    seed: int = 0
    batch_size: int = 16
    options: Mapping[str, Value] = field(default_factory=dict, hash=False)

    def changed(self, **changes: Any) -> Settings:
        """Return the settings with other values; names of fields or of the method's options.

        An option that is given instead of another one takes its place.

        Raises:
            ValueError: the method has no such option.
        """
        known = {f.name for f in fields(self)}
        own = {name: value for name, value in changes.items() if name not in known}
        base = replace(self, **{name: value for name, value in changes.items() if name in known})
        declared = {option.name: option for option in METHODS.require(base.method).options}
        if unknown := sorted(set(own) - set(declared)):
            raise ValueError(
                f"{METHODS[base.method].title} has no option {', '.join(unknown)}. It has: {', '.join(declared)}."
            )
        for option in declared.values():
            if (other := option.instead_of) and own.get(option.name) is not None:
                own.setdefault(other, None)
            elif other and own.get(other) is not None:
                own.setdefault(option.name, None)
        return replace(base, options={**base.options, **own})

    def settled(self) -> Settings:
        """Return the settings as the method takes them.

        Raises:
            ValueError: a name is unknown, an option missing, or a value of another kind or out of its range.
        """
        method = METHODS.require(self.method)
        SCORES.require(self.score)
        shared = settle(
            method.title, SHARED, {option.name: getattr(self, option.name) for option in SHARED}, lambda o: o.name
        )
        options = settle(method.title, method.options, self.options, lambda o: f"{o.name} (published: {o.default!r})")
        return Settings(self.method, **shared, options=options)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as values that JSON can hold."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        options = {name: list(v) if isinstance(v, tuple) else v for name, v in self.options.items()}
        return values | {"options": options}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Read what :meth:`to_dict` wrote, now or in earlier versions.

        Raises:
            ValueError: a name is unknown.
        """
        own = {f.name for f in fields(cls)}
        earlier = {name: value for name, value in values.items() if name in _ONCE_FIELDS}
        if unknown := set(values) - own - _ONCE_FIELDS:
            raise ValueError(
                f"There is no setting {', '.join(sorted(unknown))}. Was the file written by a newer version?"
            )
        given = {name: value for name, value in values.items() if name in own}
        options = dict(given.get("options", {}))
        if earlier and given.get("method", cls.method) in METHODS:
            # Of a method without a path, or a line, most of them meant nothing.
            declared = {option.name for option in METHODS[given.get("method", cls.method)].options}
            options |= {name: value for name, value in earlier.items() if name in declared - set(options)}
        if (name := given.get("method", cls.method)) in METHODS:
            given["method"], options = METHODS[name].earlier(name, options)
        # Files of versions that knew no copies hold maps of the photo itself.
        options = {option.name: option.default for option in COPIES} | options
        options = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}
        return cls(**{**given, "options": options})

    def make_score(self) -> Score:
        """Build the explained score.

        Raises:
            ValueError: the score's name is unknown, or a contrast has no target or the same class twice.
        """
        if self.contrast is not None:
            if self.target is None:
                raise ValueError("A contrast needs the class to explain as well: choose a target.")
            from samp_core.scores import Contrast  # noqa: PLC0415 - settings are read and listed without torch

            return Contrast(self.target, self.contrast)
        return SCORES.require(self.score).make()  # type: ignore[no-any-return]


def default_settings(name: str, **changes: Any) -> Settings:
    """Return a method's published settings, with changes: names of fields of :class:`Settings` or of its options.

    Raises:
        ValueError: there is no such method or option.
    """
    settings: Settings = METHODS.require(name).defaults
    return settings.changed(**changes)
