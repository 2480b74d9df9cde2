"""Print a check's report as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from spg_dist.data.checking import CheckReport
from spg_dist.data.duplicates import in_words
from spg_dist.data.remarks import ABSENT_CLASSES_MEAN

SHOWN_PATHS = 20


def render(report: CheckReport, console: Console | None = None, shown_paths: int = SHOWN_PATHS) -> None:
    """Print the report.

    Arguments:
        report: from check_dataset.
        console: where to print, default standard output.
        shown_paths: at most so many of each list of paths; the report itself holds all.
    """
    out = console or Console()
    out.print(f"[bold]{escape(report.dataset)}[/] in {escape(str(report.root))}", soft_wrap=True)
    splits = report.splits or "no published splits: drawn on loading"
    out.print(escape(f"Layout: {report.layout}. Splits: {splits}."), soft_wrap=True)
    out.print(_domain_table(report))
    out.print(_class_table(report))
    _print_lists(report, out, shown_paths)
    if report.duplicates is not None and not any(report.duplicates.values()):
        out.print("No image stands in several domains, classes or splits of a domain.")
    for problem in report.problems:
        out.print(f"[bold red]Problem:[/] {escape(problem)}", soft_wrap=True)
    out.print(_verdict(report), soft_wrap=True)


def _verdict(report: CheckReport) -> str:
    if report.problems:
        return "[red]The data set cannot be used as it is.[/]"
    if not report.decoded:
        unread = "decoded" if report.duplicates is not None else "read"
        return f"[green]Folders, names and splits are in order.[/] Images were not {unread}: --decode reads every one."
    if not report.unreadable:
        return "[green]The data set can be used[/]; every image can be read."
    share = f"{len(report.unreadable):,} images ({report.unreadable_share:.1%}) cannot be read"
    limit = f"data.max_set_aside_share allows ({report.set_aside_limit:.1%})"
    if report.usable:
        return f"[yellow]{share}[/]: a job sets them aside and goes on, for they are no more than {limit}."
    return (
        f"[red]{share}[/], more than {limit}: a job will refuse the data set. Fix or remove them, or raise the limit."
    )


def _domain_table(report: CheckReport) -> Table:
    released = f" beside {report.release}" if report.release else ""
    table = Table("domain", title=f"Images by domain{escape(released)}")
    for heading in ("on disk", "published", "difference", "train", "val", "test only"):
        table.add_column(heading, justify="right")
    for domain in report.domains:
        count = report.domain_images(domain)
        published = report.published_images.get(domain)
        expected = ("", "") if published is None else (f"{published:,}", _difference(count - published))
        splits = [
            f"{report.split_images[domain, split]:,}" if report.split_images else ""
            for split in ("train", "val", "test")
        ]
        table.add_row(escape(domain), f"{count:,}", *expected, *splits)
    return table


def _difference(difference: int) -> str:
    return f"[red]{difference:+,}[/]" if difference else "[green]equal[/]"


def _class_table(report: CheckReport) -> Table:
    expected = f", {report.published_classes} published" if report.published_classes else ""
    table = Table("class", title=f"Images on disk by class ({len(report.class_names)} classes{expected})")
    for domain in report.domains:
        table.add_column(escape(domain), justify="right")
    for name in report.class_names:
        counts = [report.images[domain, name] for domain in report.domains]
        table.add_row(escape(name), *(f"{count:,}" if count else "[red]0[/]" for count in counts))
    return table


def _by_reason(title: str, paths: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """A list for each reason that paths are given with."""
    reasons = dict.fromkeys(reason for _, reason in paths)
    return [(title.format(reason), [path for path, why in paths if why == reason]) for reason in reasons]


def _print_lists(report: CheckReport, out: Console, shown_paths: int) -> None:
    unreadable = [f"{path}: {reason}" for path, reason in report.unreadable]
    classes = [f"{domain}: {name}" for domain, name in report.absent_classes]
    allowed = f" (allowed: {ABSENT_CLASSES_MEAN})" if report.may_lack_classes else ""
    lists: list[tuple[str, Sequence[str]]] = [
        ("named in split files but not on disk", report.absent_images),
        ("on disk but in no split file (not used)", report.unlisted_images),
        (f"classes absent from a domain{allowed}", classes),
        ("folders that are no domain of this data set (not used)", report.unknown_folders),
        *_by_reason("{} (not used)", report.passed_over),
        ("unreadable images", unreadable),
        *_by_reason("with other pixels under encode.pixels=published: {}", report.pixels_matter),
    ]
    for kind, groups in (report.duplicates or {}).items():
        lists.append((f"images that stand {kind}, byte for byte the same", [in_words(group) for group in groups]))
    for title, lines in lists:
        if not lines:
            continue
        out.print(f"[bold]{len(lines):,} {title}:[/]")
        for line in lines[:shown_paths]:
            out.print(f"  {escape(line)}", soft_wrap=True, highlight=False)
        if len(lines) > shown_paths:
            out.print(f"  ... and {len(lines) - shown_paths:,} more")
