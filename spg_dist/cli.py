"""`spg-dist`: what needs no cluster. Encoding and training are jobs (see jobs/)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cache.extensions import load_plugins
from cache.upkeep import command_line as cache_commands
from spg_dist.data import DataConfig, check_dataset, render
from spg_dist.pipeline.errors import reported_errors

FAULTY = 1


def build_parser() -> argparse.ArgumentParser:
    """All commands, those of the cache among them."""
    parser = argparse.ArgumentParser(prog="spg-dist", description=__doc__)
    rooms = parser.add_subparsers(dest="room", required=True, metavar="data|cache")
    data = rooms.add_parser("data", help="look at a data set before anything is encoded")
    commands = data.add_subparsers(dest="command", required=True, metavar="check")
    does = "Count images by domain and class beside the published counts; say what is missing or extra."
    check = commands.add_parser("check", help=does, description=f"{does} Exit status 1: something is missing or bad.")
    check.add_argument("root", help="folder of the data set, or the folder that holds it")
    expected = "the data set to expect, e.g. pacs, or folder for one of your own; auto (the default) recognises it"
    check.add_argument("--dataset", default="auto", metavar="NAME", help=expected)
    plugins = "Python files with data sets or layouts of your own"
    check.add_argument("--plugins", nargs="+", default=[], metavar="FILE", help=plugins)
    lacking = "as data.allow_absent_classes: a domain of a folder of your own may lack classes"
    check.add_argument("--allow-absent-classes", action="store_true", help=lacking)
    digest = "also read every file, and list images that stand twice, byte for byte"
    check.add_argument("--digest", action="store_true", help=digest)
    decode = "also decode every image (digests too), list those that cannot be, and where encode.pixels matters"
    check.add_argument("--decode", action="store_true", help=decode)
    caches = "look after the feature cache: ls, info, verify, repair, compact, gc, convert, export, import"
    cache_commands.build_parser(rooms.add_parser("cache", help=caches, description=caches.capitalize()))
    return parser


def check_data(arguments: argparse.Namespace) -> int:
    """`spg-dist data check`: print the report; returns the exit status."""
    load_plugins(arguments.plugins)
    config = DataConfig(
        dataset=arguments.dataset, root=arguments.root, allow_absent_classes=arguments.allow_absent_classes
    )
    report = check_dataset(config, decode=arguments.decode, digest=arguments.digest)
    render(report)
    return 0 if report.ok else FAULTY


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns its exit status."""
    given = build_parser().parse_args(arguments)
    with reported_errors():
        return cache_commands.execute(given) if given.room == "cache" else check_data(given)
