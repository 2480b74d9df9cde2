"""What is searched: fields of the configuration, each with a range or a list of choices.

A space is YAML. A key is a field of `stage1` or `stage2`, or several fields, separated by commas, that change together:

    stage2.learning_rate: {low: 1.0e-5, high: 1.0e-2, log: true}
    stage2.dropout: {low: 0.0, high: 0.6}
    stage2.batch_size: {low: 16, high: 64}                          # whole numbers, since the field is one
    stage2.g_widths: {choices: [[128, 256, 512], [64, 128]]}
    stage1.n_ctx, stage1.initial_text: {choices: [[4, a photo of a], [8, ""]]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from spg_dist.config import Config

Label = float | int | str
"""How a point of a dimension is written down: a number of a range, or the label of a choice."""


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included; whole numbers if `whole`."""

    low: float
    high: float
    log: bool
    whole: bool


@dataclass(frozen=True)
class Choices:
    """Each choice is a tuple with one value for each field of the dimension."""

    values: tuple[tuple[Any, ...], ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label_of(value) for value in self.values)


@dataclass(frozen=True)
class Dimension:
    """Fields that change together, and what they may be. A range has one field."""

    fields: tuple[str, ...]
    domain: Range | Choices

    @property
    def name(self) -> str:
        return ", ".join(self.fields)


@dataclass(frozen=True)
class Space:
    """All dimensions of a search.

    Arguments:
        source: the preset's name or the file's path.
    """

    source: str
    dimensions: tuple[Dimension, ...]

    def values(self, point: Mapping[str, Label]) -> dict[str, Any]:
        """The value of every field at a point, which has a label for every dimension."""
        found: dict[str, Any] = {}
        for dimension in self.dimensions:
            label = point[dimension.name]
            if isinstance(dimension.domain, Range):
                found[dimension.fields[0]] = label
            else:
                chosen = dimension.domain.values[dimension.domain.labels.index(str(label))]
                found |= dict(zip(dimension.fields, chosen, strict=True))
        return found

    def point_of(self, config: Config) -> dict[str, Label]:
        """Where a configuration lies."""
        point: dict[str, Label] = {}
        for dimension in self.dimensions:
            values = tuple(field_of(config, name) for name in dimension.fields)
            point[dimension.name] = values[0] if isinstance(dimension.domain, Range) else label_of(values)
        return point


def short_names(dimensions: Sequence[Dimension]) -> dict[str, str]:
    """Dimension's name to the last part of each field, e.g. "g_bias"; with the first part before it where two agree."""
    last = {d.name: ", ".join(name.rsplit(".", 1)[-1] for name in d.fields) for d in dimensions}
    shared = {short for short in last.values() if list(last.values()).count(short) > 1}
    return {name: f"{name.split('.')[0]} {short}" if short in shared else short for name, short in last.items()}


def label_of(values: tuple[Any, ...]) -> str:
    """E.g. "32", "[128, 256]", "4, 'a photo of a'"."""
    if len(values) == 1:
        return values[0] if isinstance(values[0], str) and values[0] else _shown(values[0])
    return ", ".join(_shown(value) for value in values)


def _shown(value: Any) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)


def field_of(config: Config, name: str) -> Any:
    """The value of a field by its dotted name."""
    return reduce(getattr, name.split("."), config)


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """The configuration with some fields set, by dotted name. Raises ValueError for a value out of range."""
    changed: Config = _replaced(config, {tuple(name.split(".")): value for name, value in values.items()})
    return changed


def _replaced(branch: Any, values: Mapping[tuple[str, ...], Any]) -> Any:
    """All fields of a branch at once: one may be in range only with another, as a network with its settings."""
    own = {path[0]: value for path, value in values.items() if len(path) == 1}
    inside: dict[str, dict[tuple[str, ...], Any]] = {}
    for (first, *rest), value in values.items():
        if rest:
            inside.setdefault(first, {})[tuple(rest)] = value
    return replace(branch, **own, **{name: _replaced(getattr(branch, name), more) for name, more in inside.items()})
