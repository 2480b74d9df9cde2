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

from spg_dist.data.datasets import DATASETS, PublishedDataset
from spg_dist.protocols import PROTOCOLS


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
    trained_on = _dataset(dataset)
    if trained_on is None:
        return None
    if PROTOCOLS[protocol].is_across:
        tested = "average" if target is None else _title(target)
        return _from_table(protocol, network, approach, tested) if trained_on.title == "DomainNet" else None
    if target is None:
        return _from_table(protocol, network, approach, trained_on.title)
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
    if PROTOCOLS[protocol].is_across:
        return {_title(target) for _, target in pairs} == set(_paper()["by_target"]["figures"]) - {"DomainNet"}
    own = _dataset(dataset)
    if own is None:
        return False
    targets = {own.canonical_domain(target) for _, target in pairs}
    expected_pairs = len(own.domains) * (len(own.domains) - 1 if PROTOCOLS[protocol].has_one_source else 1)
    return targets == set(own.domains) and len(pairs) == expected_pairs


def _from_table(protocol: str, backbone: str, method: str, column: str) -> PublishedFigure | None:
    for table in _paper()["tables"]:
        if table["protocol"] == protocol and table["backbone"] == backbone:
            figures = table["methods"].get(method)
            if figures is not None and column in table["columns"]:
                return _figure(figures[table["columns"].index(column)], table["name"])
    return None


def _from_targets(
    protocol: str, backbone: str, method: str, dataset: PublishedDataset, target: str
) -> PublishedFigure | None:
    printed = _paper()["by_target"]
    if (protocol, method) != (printed["protocol"], printed["method"]):
        return None
    table = printed["figures"][dataset.title]
    domains = [dataset.canonical_domain(name) for name in table["columns"]]
    domain = dataset.canonical_domain(target)
    if backbone not in table or domain is None:
        return None
    return _figure(table[backbone][domains.index(domain)], printed["name"])


def _figure(text: object, table: str) -> PublishedFigure:
    mean, _, error = str(text).partition("±")
    return PublishedFigure(float(mean), float(error) if error else None, _paper()["source"], table)


def _dataset(name: str) -> PublishedDataset | None:
    """The data set of this name that the paper has figures of."""
    printed = _paper()["by_target"]["figures"]
    return next((dataset for dataset in DATASETS if dataset.title in printed and dataset.is_called(name)), None)


def _title(dataset: str) -> str:
    """What the tables call a data set; a name that they do not have stays as it is."""
    found = _dataset(dataset)
    return found.title if found else dataset


def _resolve(kind: str, name: str) -> str:
    """The data file's own name for `name`, or its bare letters and digits, which match nothing else in the file."""
    return _own_names(kind).get(_bare(name), _bare(name))


@cache
def _own_names(kind: str) -> dict[str, str]:
    paper = _paper()
    aliases: dict[str, list[str]] = paper["aliases"][kind]
    plain = {
        "backbone": {table["backbone"] for table in paper["tables"]},
        "method": {method for table in paper["tables"] for method in table["methods"]},
    }[kind]
    names = {_bare(name): name for name in plain}
    return names | {_bare(other): name for name, others in aliases.items() for other in others}


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


@cache
def _paper() -> dict[str, Any]:
    text = resources.files("spg_dist.report").joinpath("published.yaml").read_text(encoding="utf-8")
    paper: dict[str, Any] = yaml.safe_load(text)
    return paper
