"""What upkeep finds in a cache, and what it did about it: what stores and commands tell each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from cache.folder import TEMPORARY_PREFIX, Folder

Kind = Literal["damaged", "truncated", "missing", "manifest", "identity", "unlisted", "foreign"]
"""damaged, truncated, missing: a shard's data. manifest: its entry. identity: cache.json or a note. unlisted: a whole
shard that a killed writer had no time to list (nothing is lost). foreign: a file that no cache has."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, the file's path, what was found, and how many rows it costs."""

    kind: Kind
    path: str
    detail: str
    rows_lost: int = 0


@dataclass(frozen=True)
class Waiting:
    """A file, or a folder, that nothing needs any more: its path, its bytes, why, and when it may be deleted."""

    path: str
    file_bytes: int
    reason: str
    may_go: datetime

    @property
    def due(self) -> bool:
        """Whether `gc` deletes it now."""
        return self.may_go <= datetime.now(UTC)


@dataclass
class VerifyReport:
    """What `verify` found in one cache.

    Args:
        folder: path or URI of the cache.
        store: the store's name.
        shards: shards that are whole; a store that is one file counts as one.
        rows: rows that are whole.
        bytes_read: bytes that were read and compared.
        unsealed: a writer left, or is about to leave, the store's file without checksums of its pages: its rows and the
            way to them were compared, bytes in no use were not.
        problems: all that is wrong; empty for a sound cache.
        harmless: what is damaged, or is not the cache's, where no row is read from it; each detail names the cure.
        waiting: what nothing needs any more and `gc` deletes in its time.
    """

    folder: str
    store: str
    shards: int = 0
    rows: int = 0
    bytes_read: int = 0
    unsealed: bool = False
    problems: list[Problem] = field(default_factory=list)
    harmless: list[Problem] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def add_strangers(self, folder: Folder, known: Collection[str]) -> None:
        """Report every file and folder in `folder` that is not known there, links too; unfinished writes are not."""
        for name in strangers(folder, known):
            what = "folder" if name in folder.folders() else "file"
            self.problems.append(Problem("foreign", f"{folder.where}/{name}", f"no cache has such a {what}"))

    def summary(self) -> str:
        """One line for a person."""
        if self.sound:
            seal = "; its pages have no checksums, `spg-dist cache compact` makes them" if self.unsealed else ""
            found = f"sound, {self.rows:,} rows in {self.shards:,} shards, {self.bytes_read:,} bytes read"
            return f"{self.folder}: {found}{seal}"
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(p.kind for p in self.problems).items())
        lost = sum(problem.rows_lost for problem in self.problems)
        return f"{self.folder}: {kinds}; {lost:,} rows lost, {self.rows:,} rows whole"


@dataclass
class RootReport:
    """What `verify` found next to the caches of a root.

    Args:
        folder: path or URI of the root.
        segments: files of remembered file digests that are whole.
        bytes_read, harmless, waiting: as in a `VerifyReport`.
    """

    folder: str
    segments: int = 0
    bytes_read: int = 0
    harmless: list[Problem] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

    def summary(self) -> str:
        """One line for a person."""
        files = "1 file" if self.segments == 1 else f"{self.segments:,} files"
        return f"{self.folder}: {files} of remembered digests sound, {self.bytes_read:,} bytes read"


@dataclass
class RepairReport:
    """What `repair` did to one cache.

    Args:
        folder: path of the cache.
        rows_dropped: rows that are gone; the next encode fills them.
        rows_kept: rows of damaged shards that were whole, and were kept.
        actions: what was done, one line each.
        left: problems that a person must look at; foreign files are never touched.
    """

    folder: str
    rows_dropped: int = 0
    rows_kept: int = 0
    actions: list[str] = field(default_factory=list)
    left: list[Problem] = field(default_factory=list)


def strangers(folder: Folder, known: Collection[str]) -> list[str]:
    """Sorted names in a folder that are not known there and are no unfinished writes."""
    names = sorted({*folder.names(), *folder.folders()} - set(known))
    return [name for name in names if not name.startswith(TEMPORARY_PREFIX)]
