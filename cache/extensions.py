"""What others can add, found by name: one table for each kind (methods, generators, data sets, layouts, stores).

A table is filled from three places: our own modules, entry points of installed packages (group `spg_dist.<kind>s`), and
plugins, which are files of the user's own. A module has its object under the kind's name in capitals, e.g. `METHOD`.
Names are known without importing anything; an object is imported when it is asked for.
"""

from __future__ import annotations

import difflib
import linecache
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

KINDS = ("method", "generator", "dataset", "layout", "store")


class Named(Protocol):
    """What a table can hold."""

    @property
    def name(self) -> str:
        """What the configuration calls it: the module's name with dashes, or that of the entry point."""


T = TypeVar("T", bound=Named)


class Plugin(NamedTuple):
    """A file that adds something: its module's name, where it lay, and its text, which travels to other machines."""

    module: str
    path: str
    text: str


_plugins: dict[str, tuple[Plugin, ModuleType]] = {}


class Table(Generic[T]):
    """All objects of one kind, by name: our own, then those of installed packages, then those of plugins.

    Arguments:
        kind: one of `KINDS`.
        own: name → module of ours that has the object.
    """

    def __init__(self, kind: str, own: Mapping[str, str]) -> None:
        assert kind in KINDS
        self.kind, self.own = kind, own
        self.attribute = kind.upper()

    def names(self) -> list[str]:
        """Without importing anything."""
        return list(dict.fromkeys([*self.own, *self._installed(), *self._of_plugins()]))

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __getitem__(self, name: str) -> T:
        """Raises ValueError where there is none of this name, or where its package cannot be imported."""
        if found := self._of_plugins().get(name):
            return found
        if name in self.own:
            return self._checked(name, getattr(import_module(self.own[name]), self.attribute))
        if point := self._installed().get(name):
            try:
                return self._checked(name, point.load())
            except Exception as error:  # whatever somebody else's package does when it is imported
                package = point.dist.name if point.dist else point.value
                raise ValueError(
                    f"the {self.kind} {name!r} of the installed package {package} cannot be imported "
                    f"({type(error).__name__}: {error}): fix or uninstall that package"
                ) from error
        near = difflib.get_close_matches(name, self.names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"there is no {self.kind} {name!r}{hint} (known: {', '.join(self.names())})")

    def __iter__(self) -> Iterator[T]:
        """All of them; an installed package that cannot be imported is passed over with a warning."""
        for name in self.names():
            try:
                yield self[name]
            except ValueError as error:
                warnings.warn(str(error), stacklevel=2)

    def _installed(self) -> dict[str, EntryPoint]:
        return {name: point for name, point in _entry_points(self.kind).items() if name not in self.own}

    def _of_plugins(self) -> dict[str, T]:
        found: dict[str, T] = {}
        for plugin, module in _plugins.values():
            one: T | None = getattr(module, self.attribute, None)
            if one is None:
                continue
            if one.name in self.own or one.name in found:
                raise ValueError(f"the plugin {plugin.path} adds the {self.kind} {one.name!r}, which is there already")
            found[one.name] = one
        return found

    def _checked(self, name: str, found: Any) -> T:
        if getattr(found, "name", None) != name:
            raise ValueError(f"its name is {getattr(found, 'name', None)!r}, expected {name!r}")
        checked: T = found
        return checked


def modules_of(package: str) -> dict[str, str]:
    """The modules of a package as a table's own: name, with dashes, → module. Nothing in them is executed."""
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations is not None, package
    found = (module.name for module in iter_modules(spec.submodule_search_locations))
    return {name.replace("_", "-"): f"{package}.{name}" for name in sorted(found) if not name.startswith("_")}


def load_plugins(paths: Sequence[str]) -> None:
    """Execute files of the user's own, each once, so that tables hold what they define.

    Raises:
        ValueError: no such file, an error in it, or nothing in it that a table could hold.
    """
    for path in map(Path, paths):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ValueError(f"plugins names {path}, which cannot be read: {reason}") from error
        if path.suffix != ".py" or not path.stem.isidentifier():
            raise ValueError(f"plugins names {path}, expected a Python file, e.g. my_method.py")
        install([Plugin(_module_name(path), str(path), text)])


def not_loaded(paths: Sequence[str]) -> list[str]:
    """Those of some plugin files of whose name none was loaded."""
    return [path for path in paths if _module_name(Path(path)) not in _plugins]


def _module_name(path: Path) -> str:
    return f"spg_dist_plugin_{path.stem}"


def install(plugins: Sequence[Plugin]) -> None:
    """Execute plugins that are not known yet. Raises ValueError as `load_plugins` does."""
    for plugin in plugins:
        known = _plugins.get(plugin.module)
        if known is not None and known[0].path != plugin.path:
            raise ValueError(
                f"plugins names {known[0].path} and {plugin.path}: rename one, they go by their file's name"
            )
        if known is not None and known[0].text == plugin.text:
            continue
        module = _executed(plugin)
        if not any(hasattr(module, kind.upper()) for kind in KINDS):
            del sys.modules[plugin.module]
            expected = ", ".join(kind.upper() for kind in KINDS)
            raise ValueError(f"the plugin {plugin.path} adds nothing: expected one of {expected} in it")
        _plugins[plugin.module] = plugin, module


def _executed(plugin: Plugin) -> ModuleType:
    module = ModuleType(plugin.module)
    module.__file__ = plugin.path
    linecache.cache[plugin.path] = len(plugin.text), None, plugin.text.splitlines(keepends=True), plugin.path
    sys.modules[plugin.module] = module  # dataclasses look their module up
    try:
        exec(compile(plugin.text, plugin.path, "exec"), vars(module))
    except Exception as error:
        del sys.modules[plugin.module]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == plugin.path]
        line = error.lineno if isinstance(error, SyntaxError) else next(reversed(lines), None)
        where = f"{plugin.path}, line {line}" if line else plugin.path
        raise ValueError(f"the plugin {where}: {type(error).__name__}: {error}") from error
    return module


def plugins() -> tuple[Plugin, ...]:
    """All that are installed in this process."""
    return tuple(plugin for plugin, _ in _plugins.values())


def forget_plugins() -> None:
    """As if none had been loaded: for tests."""
    for module in _plugins:
        sys.modules.pop(module, None)
    _plugins.clear()


def carried(build: Callable[..., Any], *arguments: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """For `__reduce__` of what needs plugins: the other process calls `build(*arguments)` with them installed.

    They are installed before `build` and the arguments are unpickled, so that these may be of a plugin's own classes.
    """
    return _build, (_Installed(), build, *arguments)


class _Installed:
    """Becomes the plugins of the process that pickles it, installed in the process that unpickles it."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Sequence[Plugin]]]:
        return install, (plugins(),)


def _build(installed: None, build: Callable[..., Any], *arguments: Any) -> Any:
    return build(*arguments)


@cache
def _entry_points(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"spg_dist.{kind}s")}
