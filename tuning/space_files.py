"""Read a space from YAML and hold it against the configuration's types; a mistake is one message."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from spg_dist.config import Config, config_class, dump_config, load_config
from spg_dist.config.command_line import field_names
from spg_dist.config.messages import unknown_field
from spg_dist.config.yaml_text import read_yaml, write_yaml
from spg_dist.home import resolve
from spg_dist.methods import searched_branches
from spg_dist.user_text import read_user_text
from tuning.spaces import Choices, Dimension, Range, Space, field_of, label_of

PRESETS = "tuning.presets"
JUDGING = ("val_every", "val_images")
"""Fields that say how a run is judged: searched, trials could not be compared."""


def preset_names() -> list[str]:
    """Names that `tune.space` takes beside paths."""
    return sorted(entry.name[:-5] for entry in resources.files(PRESETS).iterdir() if entry.name.endswith(".yaml"))


def load_space(given: str, config: Config) -> Space:
    """A preset or a YAML file as a space around `config`, which is one of its points.

    A list of choices that lacks the configuration's own value gets it; a range that lacks it is refused. A preset's
    fields that the configured generator does not read are left out.

    Raises:
        ValueError: no such preset or file, no such field, or a value that the field cannot have.
    """
    entries = _entries(given)
    source = f"space {given}"
    if not isinstance(entries, dict) or not entries:
        raise ValueError(f"{source} holds no fields, expected e.g. stage2.dropout: {{low: 0.0, high: 0.6}}")
    if given in preset_names():  # made for the default generator
        unread = {
            f"{branch}.{name}"
            for branch in searched_branches(config)
            for name in getattr(getattr(config, branch), "unread", ())
        }
        entries = {key: entry for key, entry in entries.items() if not unread.intersection(_fields(key))}
    for key in entries:
        for name in _fields(key):
            _check_field(source, name, searched_branches(config))
    dimensions = [_dimension(source, str(key), entry, config) for key, entry in entries.items()]
    named = [name for dimension in dimensions for name in dimension.fields]
    for name in named:
        if named.count(name) > 1:
            raise ValueError(f"{source} names {name} more than once")
    return Space(given, tuple(_typed(source, dimensions, config)))


def _entries(given: str) -> Any:
    if given in preset_names():
        text = resources.files(PRESETS).joinpath(f"{given}.yaml").read_text(encoding="utf-8")
    else:
        path = resolve(given)
        if not path.is_file():
            near = difflib.get_close_matches(Path(given).stem, preset_names(), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"tune.space is {given!r}: there is no such file ({path}) and no such preset{hint}. "
                f"Presets: {', '.join(preset_names())}"
            )
        text = read_user_text(path)
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise ValueError(f"space {given} is not valid YAML: {' '.join(str(error).split())}") from error


def _dimension(source: str, key: str, entry: Any, config: Config) -> Dimension:
    fields = _fields(key)
    expected = f"{source}, {key}: expected {{low, high}} with or without log, or {{choices}}, got {entry!r}"
    if not isinstance(entry, dict):
        raise ValueError(expected)
    if entry.keys() == {"choices"}:
        return Dimension(fields, _choices(f"{source}, {key}", fields, entry["choices"], config))
    if not {"low", "high"} <= entry.keys() <= {"low", "high", "log"} or len(fields) > 1:
        raise ValueError(expected)
    return Dimension(fields, _range(f"{source}, {key}", fields[0], entry, config))


def _fields(key: Any) -> tuple[str, ...]:
    return tuple(part.strip() for part in str(key).split(","))


def _check_field(source: str, name: str, branches: Sequence[str]) -> None:
    known = field_names()
    searched = [field for field in known if field.split(".")[0] in branches and field.rsplit(".", 1)[-1] not in JUDGING]
    if name in searched:
        return
    if name in known:
        raise ValueError(
            f"{source}: {name} cannot be searched: a trial is what {' and '.join(branches)} make of features that are "
            f"encoded once, all judged alike. Give {name} on the command line"
        )
    raise ValueError(f"{source}: {unknown_field(name, searched)}")


def _choices(where: str, fields: tuple[str, ...], given: Any, config: Config) -> Choices:
    if not isinstance(given, list) or not given:
        raise ValueError(f"{where}: choices is {given!r}, expected a list of values")
    values = [tuple(choice) if isinstance(choice, list) else (choice,) for choice in given]
    if len(fields) == 1:
        values = [(choice,) for choice in given]
    for choice in values:
        if len(choice) != len(fields):
            raise ValueError(f"{where}: choice {list(choice)!r} has {len(choice)} values for {len(fields)} fields")
    own = tuple(field_of(config, name) for name in fields)
    if label_of(own) not in map(label_of, values):
        values.insert(0, own)
    return Choices(tuple(values))


def _range(where: str, name: str, entry: dict[str, Any], config: Config) -> Range:
    kind = _kind(name)
    if kind not in (int, float):
        raise ValueError(f"{where}: this field is no number; give {{choices: [...]}}")
    try:
        low, high = float(entry["low"]), float(entry["high"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: low is {entry['low']!r} and high {entry['high']!r}, expected numbers") from error
    log = entry.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"{where}: log is {log!r}, expected true or false")
    if kind is int and not (low.is_integer() and high.is_integer()):
        raise ValueError(f"{where}: {low} to {high}, but the field is a whole number")
    if not low < high or (log and low <= 0):
        raise ValueError(f"{where}: {low:g} to {high:g}, expected low < high{', and both above 0 for log' * log}")
    own = float(field_of(config, name))
    if not low <= own <= high:
        raise ValueError(
            f"{where}: the configuration's own value {own:g} is trial 0, and lies outside {low:g} to {high:g}: widen "
            f"the range, or set {name} inside it"
        )
    return Range(low, high, log, whole=kind is int)


def _kind(name: str) -> Any:
    """The declared type of a field by its dotted name."""
    kind: Any = config_class()
    for part in name.split("."):
        kind = get_type_hints(kind)[part]
    return kind


def _typed(source: str, dimensions: list[Dimension], config: Config) -> list[Dimension]:
    """The dimensions with their values as the configuration's own parser reads them. Raises ValueError as it does."""
    candidates = [_candidates(dimension.domain) for dimension in dimensions]
    read: list[list[tuple[Any, ...]]] = [[] for _ in dimensions]
    for turn in range(max(map(len, candidates))):
        tree = yaml.safe_load(dump_config(config))
        for dimension, values in zip(dimensions, candidates, strict=True):
            for name, value in zip(dimension.fields, values[turn % len(values)], strict=True):
                _set(tree, name.split("."), value)
        checked = load_config(write_yaml(tree), source)
        for dimension, values, done in zip(dimensions, candidates, read, strict=True):
            if turn < len(values):
                done.append(tuple(field_of(checked, name) for name in dimension.fields))
    return [
        Dimension(dimension.fields, _with_values(f"{source}, {dimension.name}", dimension.domain, values))
        for dimension, values in zip(dimensions, read, strict=True)
    ]


def _candidates(domain: Range | Choices) -> list[tuple[Any, ...]]:
    if isinstance(domain, Choices):
        return list(domain.values)
    ends = (domain.low, domain.high)
    return [(int(end) if domain.whole else end,) for end in ends]


def _with_values(where: str, domain: Range | Choices, values: list[tuple[Any, ...]]) -> Range | Choices:
    if isinstance(domain, Range):
        return domain
    read = Choices(tuple(values))
    if len(set(read.labels)) < 2 or len(set(read.labels)) < len(read.labels):
        raise ValueError(f"{where}: choices are {'; '.join(read.labels)}, expected at least two, and no repetition")
    return read


def _set(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        tree = tree[part]
    tree[path[-1]] = value
