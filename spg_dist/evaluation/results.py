"""The results table: one row per measured accuracy, its CSV file, and the means over seeds and targets.

`results.csv` is the record that every later table, plot and report is computed from, so a row holds everything that
tells one measurement from another, and the file is replaced as a whole or not at all.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cache.durable import write_text
from spg_dist.methods import METHODS

RowKey = tuple[str, str, str, str, str, str, int | None]

UNLIKE_THE_PAPER = "unlike the paper's"
"""What the note of a row says whose method is not quite the paper's: its figure is no measure for the row."""


class ResultsError(ValueError):
    """A results row or file that contradicts itself or cannot be read."""


@dataclass(frozen=True)
class ResultRow:
    """One accuracy on one target.

    Arguments:
        dataset: the data set that was trained on, "PACS".
        protocol: "multi-source", "single-source" or "cross-dataset".
        source: the training domains, joined by "+", or the training data set.
        target: the domain that was tested and never seen, or for cross-dataset the data set that was tested.
        method: "spg", "zero-shot", ...
        seed: None for a method that draws nothing at random (zero-shot).
        backbone: the image encoder's open_clip name, "ViT-B-16".
        accuracy: top-1 on the target's test split, percent.
        n: images tested.
        seconds: wall time of the run: its training, the same for all targets that it is tested on, and this test.
        val_accuracy: what the model was selected by, percent; None where nothing was selected.
        note: what sets the row apart from its neighbours in the same table; parts are joined by "; ".
        noise_std: standard deviation of the accuracy over draws of the prompt noise, percent; None where there is one.
        trained_on: processor and threads of the training, "AMD EPYC 7763, AVX2, 1 thread"; of several sittings each,
            joined by ", then "; empty where nothing was trained or it was not recorded.

    Raises `ResultsError` for an accuracy outside 0..100 (NaN too), an empty test, or a negative time.
    """

    dataset: str
    protocol: str
    source: str
    target: str
    method: str
    seed: int | None
    backbone: str
    accuracy: float
    n: int
    seconds: float
    val_accuracy: float | None
    note: str
    noise_std: float | None = None
    trained_on: str = ""

    def __post_init__(self) -> None:
        where = f"result of {self.method!r} on target {self.target!r}, seed {self.seed}"
        for name, value in (("accuracy", self.accuracy), ("val_accuracy", self.val_accuracy)):
            if value is not None and not 0.0 <= value <= 100.0:
                raise ResultsError(f"{where}: {name} is {value}; expected percent, 0 to 100")
        if self.n < 1:
            raise ResultsError(f"{where}: n is {self.n}; expected at least one tested image")
        if not (math.isfinite(self.seconds) and self.seconds >= 0.0):
            raise ResultsError(f"{where}: seconds is {self.seconds}; expected zero or more")

    @property
    def is_the_papers_method(self) -> bool:
        """Whether nothing is noted that keeps the paper's figure away."""
        return UNLIKE_THE_PAPER not in self.note

    @property
    def key(self) -> RowKey:
        """What makes the row unique in a results file."""
        return (self.dataset, self.protocol, self.backbone, self.source, self.target, self.method, self.seed)


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (ddof = 1) of `count` values, in percent; `std` is None for a single value."""

    mean: float
    std: float | None
    count: int


@dataclass(frozen=True)
class MethodSummary:
    """One method's line of the results table.

    `by_target` holds the spread over seeds for each target. `average` is taken over the targets for each seed first
    and then over the seeds, as DomainBed does, so its spread is that of whole runs. Only seeds that have every target
    of their (dataset, protocol, backbone) enter it; without any such seed it is None rather than a mean over fewer.
    """

    dataset: str
    protocol: str
    backbone: str
    method: str
    by_target: dict[str, Spread]
    average: Spread | None


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation of at least one value."""
    assert values, "a spread needs at least one value"
    std = statistics.stdev(values) if len(values) > 1 else None
    return Spread(mean=statistics.fmean(values), std=std, count=len(values))


def aggregate(rows: Iterable[ResultRow]) -> list[MethodSummary]:
    """Summarise rows by (dataset, protocol, backbone, method), in the order in which these first appear.

    Where one target was reached from several sources (single-source), the sources are averaged within each seed.
    Raises `ResultsError` if two rows have the same key.
    """
    rows = list(rows)
    _refuse_duplicates(rows)
    targets: dict[tuple[str, str, str], list[str]] = {}
    cells: dict[tuple[str, str, str, str], dict[str, dict[int | None, list[float]]]] = {}
    for row in rows:
        table = (row.dataset, row.protocol, row.backbone)
        known = targets.setdefault(table, [])
        if row.target not in known:
            known.append(row.target)
        by_target = cells.setdefault((*table, row.method), {})
        by_target.setdefault(row.target, {}).setdefault(row.seed, []).append(row.accuracy)
    return [_summary(key, by_target, targets[key[:3]]) for key, by_target in cells.items()]


def _summary(
    key: tuple[str, str, str, str], by_target: dict[str, dict[int | None, list[float]]], targets: list[str]
) -> MethodSummary:
    per_seed = {
        target: {seed: statistics.fmean(values) for seed, values in by_target[target].items()}
        for target in targets
        if target in by_target
    }
    complete: list[float] = []
    if len(per_seed) == len(targets):
        for seed in per_seed[targets[0]]:
            if all(seed in per_seed[target] for target in targets):
                complete.append(statistics.fmean(per_seed[target][seed] for target in targets))
    dataset, protocol, backbone, method = key
    return MethodSummary(
        dataset=dataset,
        protocol=protocol,
        backbone=backbone,
        method=method,
        by_target={target: spread(list(values.values())) for target, values in per_seed.items()},
        average=spread(complete) if complete else None,
    )


def write_results(path: Path, rows: Iterable[ResultRow]) -> None:
    """Replace the CSV file `path` by `rows`, sorted by their key, so that equal results are equal bytes.

    Floats are written so that they read back to the same bits. Raises `ResultsError` if two rows have the same key.
    """
    rows = sorted(rows, key=_sort_key)
    _refuse_duplicates(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value is None else value for name, value in asdict(row).items()})
    write_text(path, text.getvalue())


def read_results(path: Path) -> list[ResultRow]:
    """Read a file of `write_results`. Raises `ResultsError` naming the line and column that cannot be understood."""
    if not path.is_file():
        raise ResultsError(f"{path}: no such results file; run the evaluation of this run first")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None or list(reader.fieldnames) not in (_COLUMNS, _COLUMNS_OF_VERSION_0_1_0):
            raise ResultsError(f"{path}: the header is {reader.fieldnames}; expected {_COLUMNS}")
        rows = [_parse_row(record, f"{path}, line {reader.line_num}") for record in reader]
    _refuse_duplicates(rows)
    return rows


_COLUMNS = [field.name for field in fields(ResultRow)]
_COLUMNS_OF_VERSION_0_1_0 = [name for name in _COLUMNS if name != "trained_on"]


def _sort_key(row: ResultRow) -> tuple[str, str, str, str, str, str, int]:
    return (*row.key[:6], -1 if row.seed is None else row.seed)


def _refuse_duplicates(rows: Iterable[ResultRow]) -> None:
    seen: set[RowKey] = set()
    for row in rows:
        if row.key in seen:
            raise ResultsError(
                f"two results for method {row.method!r}, {row.dataset} ({row.protocol}, {row.backbone}), source "
                f"{row.source!r}, target {row.target!r}, seed {row.seed}; expected one: remove the stale row"
            )
        seen.add(row.key)


def _named_now(name: str) -> tuple[str, str]:
    """What a method is called now, and what a former name said of it."""
    for method in METHODS:
        if name in method.former_names:
            return method.name, method.former_names[name]
    return name, ""


def _parse_row(record: dict[str, str], where: str) -> ResultRow:
    if None in record or None in record.values():
        raise ResultsError(f"{where}: expected {len(_COLUMNS)} fields")
    seed, val_accuracy = record["seed"], record["val_accuracy"]
    method, said = _named_now(record["method"])
    try:
        return ResultRow(
            dataset=record["dataset"],
            protocol=record["protocol"],
            source=record["source"],
            target=record["target"],
            method=method,
            seed=int(seed) if seed else None,
            backbone=record["backbone"],
            accuracy=float(record["accuracy"]),
            n=int(record["n"]),
            seconds=float(record["seconds"]),
            val_accuracy=float(val_accuracy) if val_accuracy else None,
            note="; ".join(filter(None, (record["note"], said))),
            noise_std=float(noise_std) if (noise_std := record["noise_std"]) else None,
            trained_on=record.get("trained_on", ""),
        )
    except ValueError as error:
        raise ResultsError(f"{where}: {error}") from error
