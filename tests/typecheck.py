"""The run-time checker of tensor shapes that conftest.py puts under samp_core while tests run.

Every function, method and dataclass of samp_core whose annotations hold a shape (``Float[Tensor, "n c h w"]``) is
checked: all of its arguments and its result. What has none, and functions inside of functions, are left alone: mypy
looks at those. A search calls the same functions hundreds of times with tensors of the same shapes and types, so what a
function was given and gave is checked when it has another form than anything that passed before.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from threading import local
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from beartype import BeartypeConf, beartype
from jaxtyping import jaxtyped
from torch import Tensor

SHAPES = {"Float", "Int", "Bool", "UInt8"}
_DECORATOR = "__import__('tests.typecheck', fromlist=['shaped']).shaped"

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # as type checkers do, take an int where a float is asked
checked = jaxtyped(typechecker=check)


def form(value: object) -> Hashable:
    """Return all that a check of types and shapes can see of a value."""
    if isinstance(value, Tensor | np.ndarray):
        return type(value), value.dtype, tuple(value.shape)
    if isinstance(value, str):  # which may be one of several that are allowed
        return value
    if isinstance(value, tuple | list):
        return type(value), *map(form, value)
    if isinstance(value, Mapping):
        return type(value), *((form(key), form(one)) for key, one in value.items())
    return type(value)


def shaped(place: Any) -> Any:
    """Return a function or a class that checks its shapes."""
    if isinstance(place, type):
        if is_dataclass(place):
            place.__init__ = shaped(place.__init__)
        return place
    there = local()
    passed: dict[Hashable, set[Hashable]] = {}  # forms of arguments, and those of the results that they gave
    thorough = checked(place)

    def given(*_: Any, **__: Any) -> Any:
        return there.result

    # Annotations are words, which are looked up among the names of the function that they stand at.
    after = checked(wraps(place)(FunctionType(given.__code__, place.__globals__, closure=given.__closure__)))

    @wraps(place)
    def call(*arguments: Any, **named: Any) -> Any:
        before = form(arguments), form(named)
        known = passed.get(before)
        result = (thorough if known is None else place)(*arguments, **named)
        made = form(result)
        if known is not None and made not in known:
            there.result = result
            after(*arguments, **named)
        passed.setdefault(before, set()).add(made)
        return result

    return call


def has_shape(annotation: ast.expr | None) -> bool:
    """Return whether an annotation says a tensor's shape."""
    return annotation is not None and any(
        isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name) and part.value.id in SHAPES
        for part in ast.walk(annotation)
    )


def places(body: Sequence[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Yield the functions, methods and classes of a module whose annotations hold shapes."""
    for each in body:
        if isinstance(each, ast.ClassDef):
            if any(isinstance(line, ast.AnnAssign) and has_shape(line.annotation) for line in each.body):
                yield each
            yield from places(each.body)
        elif isinstance(each, ast.FunctionDef):
            annotated = [part.annotation for part in ast.walk(each.args) if isinstance(part, ast.arg)]
            if any(map(has_shape, [each.returns, *annotated])):
                yield each


def with_checks(source: bytes, path: str) -> ast.Module:
    """Return a module's source with the checks before its places."""
    tree = ast.parse(source, path)
    for place in places(tree.body):
        decorator = ast.copy_location(ast.parse(_DECORATOR, mode="eval").body, place)
        # Of a class before @dataclass, so that it is applied last; of a function next to it, where its annotations are.
        place.decorator_list.insert(0 if isinstance(place, ast.ClassDef) else len(place.decorator_list), decorator)
    return ast.fix_missing_locations(tree)


class Loader(SourceFileLoader):
    """Loads a module with the checks in it, and leaves no compiled file of that behind."""

    def path_stats(self, path: str) -> Any:
        raise OSError("what is compiled here is nobody else's")

    def source_to_code(self, data: Any, path: Any, **more: Any) -> CodeType:  # type: ignore[override]
        return compile(with_checks(data, str(path)), path, "exec", dont_inherit=True)


class Finder(MetaPathFinder):
    """Finds the modules of one package for :class:`Loader`."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self.package and not name.startswith(f"{self.package}."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def install(package: str) -> None:
    """Have every module of a package that is imported from now on checked."""
    loaded = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    assert not loaded or loaded == [package, f"{package}.process"], f"too late for {loaded}"
    sys.meta_path.insert(0, Finder(package))
