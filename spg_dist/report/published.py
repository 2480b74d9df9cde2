"""The paper's own figures, to stand beside measured ones where the experiment is the same.

The figures are in `published.yaml`, laid out as the paper prints them. Nothing is computed from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml


@dataclass(frozen=True)
class PublishedFigure:
    """An accuracy as printed, percent; `standard_error` over 3 trials, None where the paper gives none."""

    mean: float
    standard_error: float | None
    source: str
    table: str


def published_figure(
    dataset: str, protocol: str, backbone: str, method: str, target: str | None = None, *, comparable: bool
) -> PublishedFigure | None:
    """The paper's accuracy for this experiment, or None where it prints none.

    Arguments:
        dataset: "PACS", ...; for cross-dataset the data set that was trained on, which must be DomainNet.
        protocol: "multi-source", "single-source" or "cross-dataset".
        backbone: "RN50" or "ViT-B/16", in any of its usual spellings.
        method: "spg", "zero-shot", "coop", ...
        target: a domain, or for cross-dataset the data set that was tested; None for the average over all of them.
        comparable: whether weights and data are the paper's. Where they are not, no figure is.
    """
    if not comparable:
        return None
    network = _resolve("backbone", backbone)
    approach = _resolve("method", method)
    trained_on = _resolve("dataset", dataset)
    if protocol == "cross-dataset":
        if trained_on != "DomainNet":
            return None
        return _from_table(protocol, network, approach, "average" if target is None else _resolve("dataset", target))
    if target is None:
        return _from_table(protocol, network, approach, trained_on)
    return _from_targets(protocol, network, approach, trained_on, target)


def published_context_tokens(method: str) -> int | None:
    """Length of the soft prompt that the paper's method has; None for one without."""
    tokens: dict[str, int] = _paper()["context_tokens"]
    return tokens.get(_resolve("method", method))


def averages_like_the_paper(dataset: str, protocol: str, pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether an average over these (source, target) pairs runs over the same experiments as the paper's.

    An average over two of four targets must not stand beside one over all four.
    """
    pairs = set(pairs)
    domains: dict[str, Any] = _paper()["aliases"]["target"]
    if protocol == "cross-dataset":
        return {_resolve("dataset", target) for _, target in pairs} == set(domains) - {"DomainNet"}
    name = _resolve("dataset", dataset)
    if name not in domains:
        return False
    targets = {_resolve_target(name, target) for _, target in pairs}
    expected_pairs = len(domains[name]) * (len(domains[name]) - 1 if protocol == "single-source" else 1)
    return targets == set(domains[name]) and len(pairs) == expected_pairs


def _from_table(protocol: str, backbone: str, method: str, column: str) -> PublishedFigure | None:
    for table in _paper()["tables"]:
        if table["protocol"] == protocol and table["backbone"] == backbone:
            figures = table["methods"].get(method)
            if figures is not None and column in table["columns"]:
                return _figure(figures[table["columns"].index(column)], table["name"])
    return None


def _from_targets(protocol: str, backbone: str, method: str, dataset: str, target: str) -> PublishedFigure | None:
    printed = _paper()["by_target"]
    if (protocol, method) != (printed["protocol"], printed["method"]):
        return None
    figures = printed["figures"].get(dataset, {}).get(backbone)
    domain = _resolve_target(dataset, target)
    if figures is None or domain is None:
        return None
    return _figure(figures[list(_paper()["aliases"]["target"][dataset]).index(domain)], printed["name"])


def _figure(text: object, table: str) -> PublishedFigure:
    mean, _, error = str(text).partition("±")
    return PublishedFigure(float(mean), float(error) if error else None, _paper()["source"], table)


def _resolve(kind: str, name: str) -> str:
    """The data file's own name for `name`, or its bare letters and digits, which match nothing else in the file."""
    return _own_names(kind).get(_bare(name), _bare(name))


@cache
def _own_names(kind: str) -> dict[str, str]:
    paper = _paper()
    aliases: dict[str, list[str]] = paper["aliases"][kind]
    plain = {
        "backbone": {table["backbone"] for table in paper["tables"]},
        "dataset": {column for table in paper["tables"] for column in table["columns"] if column != "average"},
        "method": {method for table in paper["tables"] for method in table["methods"]},
    }[kind]
    names = {_bare(name): name for name in plain}
    return names | {_bare(other): name for name, others in aliases.items() for other in others}


def _resolve_target(dataset: str, target: str) -> str | None:
    domains: dict[str, list[str]] = _paper()["aliases"]["target"].get(dataset, {})
    for name, others in domains.items():
        if _bare(target) in {_bare(name), *map(_bare, others)}:
            return name
    return None


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


@cache
def _paper() -> dict[str, Any]:
    text = resources.files("spg_dist.report").joinpath("published.yaml").read_text(encoding="utf-8")
    paper: dict[str, Any] = yaml.safe_load(text)
    return paper
