"""`spg-dist cache ...`: the upkeep functions, rendered. `run(argv)` returns an exit status and raises CacheError.

Exit status: 0 done and sound; 1 something is wrong with a cache; a CacheError is the caller's to print (status 2).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cache.errors import CacheError
from cache.extensions import load_plugins
from cache.feature_cache import FeatureCache
from cache.findings import RootReport, VerifyReport, Waiting
from cache.folder import LocalFolder, folder_at
from cache.identity import read_identity
from cache.key import FeatureKey
from cache.stores import STORES, repair_command
from cache.upkeep.conversion import convert
from cache.upkeep.listing import CacheSummary, cache_names, find_cache, list_caches, summarize, waiting_in_root
from cache.upkeep.parquet import export_parquet, import_parquet
from cache.upkeep.recovery import recover_key_and_store
from cache.upkeep.repair import repair
from cache.upkeep.retention import collect_garbage
from cache.upkeep.verification import verify, verify_root

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def build_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """Add the commands to a parser, or make one."""
    parser = parser or argparse.ArgumentParser(prog="spg-dist cache", description="Look after feature caches.")
    stores = f"one of {', '.join(STORES.names())}, or of a plugin"
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, explanation: str, *, one_cache: bool) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=explanation, description=explanation)
        sub.add_argument("root", help="cache root: a folder or a URI of any pyarrow filesystem")
        plugins = "Python files with stores of your own"
        sub.add_argument("--plugins", nargs="+", default=[], metavar="FILE", help=plugins)
        if one_cache:
            sub.add_argument("cache", help="the cache's digest, or its first digits")
        return sub

    command("ls", "list the caches below a root", one_cache=False)
    command("info", "show one cache: key, sizes, provenance, use", one_cache=True)
    check = command("verify", "compare every byte below the root, or of one cache, with its checksums", one_cache=False)
    check.add_argument("cache", nargs="?", help="the cache's digest, or its first digits; by default all")
    command("repair", "drop damaged rows, keep whole ones; the next encode fills the gaps", one_cache=True)
    command("compact", "put the rows into the form that reads fastest: small shards into one file", one_cache=True)
    garbage = command("gc", "remove caches not used for long, and leftovers", one_cache=False)
    garbage.add_argument(
        "--keep-used-within", required=True, type=time_span, metavar="30d", help="such as 12h, 30d, 8w"
    )
    garbage.add_argument("--dry-run", action="store_true", help="only say what would go")
    change = command("convert", "change a cache's store in place", one_cache=True)
    change.add_argument("--to", required=True, metavar="STORE", help=stores)
    out = command("export", "write one cache to a Parquet file", one_cache=True)
    out.add_argument("file", type=_path)
    back = command("import", "add an exported Parquet file to the caches below a root", one_cache=False)
    back.add_argument("file", type=_path)
    back.add_argument("--store", default="arrow", metavar="STORE", help=f"{stores}; arrow by default")
    return parser


def run(argv: Sequence[str]) -> int:
    """Run one command line and print what it did. Raises CacheError for what a person must put right."""
    return execute(build_parser().parse_args(argv))


def execute(arguments: argparse.Namespace) -> int:
    """Run parsed arguments of `build_parser`."""
    try:
        load_plugins(arguments.plugins)
    except ValueError as error:
        raise CacheError(str(error)) from error
    actions = {
        "ls": _ls, "info": _info, "verify": _verify, "repair": _repair, "compact": _compact, "gc": _gc,
        "convert": _convert, "export": _export, "import": _import,
    }  # fmt: skip
    return actions[arguments.command](arguments)


def time_span(text: str) -> timedelta:
    """`30d`, `12h`, `8w`, `90m`, `10s` as a time. Raises ValueError for anything else."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; expected a number and one of s m h d w, such as 30d")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _ls(arguments: argparse.Namespace) -> int:
    caches = list_caches(arguments.root)
    lines = [("cache", "store", "rows", "shards", "in use", "waiting", "last used", "view", "dtype", "filled by")]
    for cache in caches:
        view, dtype = (cache.key.view, cache.key.dtype) if cache.key else ("?", "?")
        filled_by = f"error: {cache.error}" if cache.error else _filled_by(cache)
        lines.append(
            (
                cache.digest[:12],
                cache.store,
                f"{cache.rows:,}",
                f"{cache.shards:,}",
                _size(cache.bytes_on_disk),
                _size(sum(waiting.file_bytes for waiting in cache.waiting)),
                _time(cache),
                view,
                dtype,
                filled_by,
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    if caches:
        for line in lines:
            _say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    size = _size(sum(cache.bytes_on_disk for cache in caches))
    _say(f"{len(caches)} cache{'' if len(caches) == 1 else 's'}, {size} in use" if caches else "no cache yet")
    waiting = [one for cache in caches for one in cache.waiting] + waiting_in_root(arguments.root)
    if caches or waiting:
        _say(_waiting_in_words(waiting))
    return int(any(cache.error for cache in caches))


def _waiting_in_words(waiting: Sequence[Waiting]) -> str:
    """What waits for deletion and when it may go: one line for `ls`, `info` and `gc`."""
    if not waiting:
        return "nothing waits for deletion"
    files = "1 file waits" if len(waiting) == 1 else f"{len(waiting):,} files wait"
    size, all_of_it = _size(sum(one.file_bytes for one in waiting)), max(one.may_go for one in waiting)
    return f"{size} in {files} for deletion {_going(waiting[0].path, all_of_it)}"


def _going(path: str, may_go: datetime) -> str:
    """By what something goes, and when."""
    when = "now" if may_go <= datetime.now(UTC) else f"from {may_go.isoformat(timespec='seconds')} on"
    return f"by hand {when}" if "://" in path else f"by `spg-dist cache gc` {when}"


def _say_waiting(waiting: Sequence[Waiting]) -> None:
    for one in waiting:
        size, going = _size(one.file_bytes), _going(one.path, one.may_go)
        _say(f"  waits for deletion {going}: {one.path} ({size}), {one.reason}")


def _filled_by(cache: CacheSummary) -> str:
    """Provenance in a phrase: the values of each distinct note, e.g. "PACS, ViT-B-16 (open_clip tag openai)"."""
    named = [[note["provenance"].get(name, "") for name in ("dataset", "backbone")] for note in cache.provenance]
    return "; ".join(dict.fromkeys(", ".join(filter(None, names)) for names in named))


def _info(arguments: argparse.Namespace) -> int:
    cache = summarize(arguments.root, find_cache(arguments.root, arguments.cache))
    _say(f"cache      {cache.digest}")
    for name, value in (cache.key.as_dict() if cache.key else {}).items():
        _say(f"{name:<10} {value}")
    _say(f"store      {cache.store}, {cache.shards:,} shards, {cache.rows:,} rows, {_size(cache.bytes_on_disk)} in use")
    _say(f"waiting    {_waiting_in_words(cache.waiting)}")
    _say(f"created    {cache.created} with {', '.join(f'{name} {version}' for name, version in cache.versions)}")
    _say(f"last used  {_time(cache)}")
    for note in cache.provenance:
        _say(f"filled by  {json.dumps(note['provenance'], sort_keys=True)} first at {note['first_used']}")
    if cache.error:
        _say(f"error      {cache.error}")
    return int(cache.error is not None)


def _verify(arguments: argparse.Namespace) -> int:
    one = arguments.cache
    names = [find_cache(arguments.root, one)] if one else cache_names(arguments.root)
    damaged = 0
    for name in names:
        try:
            report = verify(folder_at(arguments.root).child(name), *_key_and_store(arguments.root, name))
        except CacheError as error:
            damaged += 1
            _say(str(error))
            continue
        _say(report.summary())
        for problem in report.problems:
            _say(f"  {problem.kind}: {problem.path}: {problem.detail}; {problem.rows_lost:,} rows lost")
        _say_harmless(report)
        damaged += not report.sound
        if any(problem.kind != "foreign" for problem in report.problems):
            _say(f"  run `{repair_command(folder_at(arguments.root).child(name))}`, then encode again")
        elif not report.sound:
            _say("  these files are not the cache's; see whose they are and move them away")
    if not one:
        found = verify_root(arguments.root)
        _say(found.summary())
        _say_harmless(found)
    return int(damaged > 0)


def _say_harmless(report: VerifyReport | RootReport) -> None:
    for problem in report.harmless:
        _say(f"  {problem.kind}, but no result depends on it: {problem.path}: {problem.detail}")
    _say_waiting(report.waiting)


def _repair(arguments: argparse.Namespace) -> int:
    name = find_cache(arguments.root, arguments.cache)
    folder = folder_at(arguments.root).child(name)
    if not isinstance(folder, LocalFolder):
        raise CacheError(f"{folder.where} is not a local folder; copy the cache here, repair it, and copy it back")
    report = repair(folder, *_key_and_store(arguments.root, name))
    for action in report.actions or ["nothing to repair"]:
        _say(action)
    for problem in report.left:
        _say(f"left alone: {problem.path}: {problem.detail}")
    _say(
        f"{report.rows_kept:,} rows of damaged shards kept, {report.rows_dropped:,} dropped: the next encode fills them"
    )
    return int(bool(report.left))


def _key_and_store(root: str, name: str) -> tuple[FeatureKey, str]:
    return recover_key_and_store(folder_at(root).child(name), name)


def _open(root: str, prefix: str) -> FeatureCache:
    name = find_cache(root, prefix)
    identity = read_identity(folder_at(root).child(name))
    if identity is None:
        raise CacheError(f"{root}/{name} has no cache.json; run `{repair_command(folder_at(root).child(name))}`")
    return FeatureCache(root, identity.key, identity.store)


def _compact(arguments: argparse.Namespace) -> int:
    info = _open(arguments.root, arguments.cache).compact()
    _say(f"{info.shards_before:,} shards became {info.shards_after:,}; {info.rows:,} rows")
    return 0


def _gc(arguments: argparse.Namespace) -> int:
    report = collect_garbage(arguments.root, arguments.keep_used_within, dry_run=arguments.dry_run)
    for removal in report.removed:
        verb = "would remove" if report.dry_run else "removed"
        _say(f"{verb} {removal.path} ({_size(removal.bytes_freed)}): {removal.reason}")
    for path, reason in report.kept:
        _say(f"kept {path}: {reason}")
    _say_waiting(report.waiting)
    freed = "would be freed" if report.dry_run else "freed"
    _say(f"{_size(report.bytes_freed)} {freed}; {_waiting_in_words(report.waiting)}")
    return 0


def _convert(arguments: argparse.Namespace) -> int:
    info = convert(arguments.root, find_cache(arguments.root, arguments.cache), arguments.to)
    _say(f"{info.rows:,} rows: {info.before} became {info.after}")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    rows = export_parquet(_open(arguments.root, arguments.cache), arguments.file)
    _say(f"{rows:,} rows written to {arguments.file}")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    cache, rows = import_parquet(arguments.file, arguments.root, arguments.store)
    _say(f"{rows:,} new rows in cache {cache.key.digest}")
    return 0


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _time(cache: CacheSummary) -> str:
    return cache.last_used.isoformat(timespec="minutes") if cache.last_used else "never"
