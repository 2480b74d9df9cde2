"""Finding whole rows in an LMDB file without LMDB, which a flipped bit can make fail, abort or crash.

A row carries its own checksum, so it is known by its bytes wherever it lies. A damaged page costs the rows in it and no
others, and pages that LMDB no longer uses give back older copies of rows, which are as good.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from cache.key import FeatureKey
from cache.lmdb.environment import KEY, key_note
from cache.lmdb.pages import DATA_FILE, PAGE_BYTES
from cache.lmdb.records import record_type, whole_records
from cache.rows import Digests, Values

BATCH_ROWS = 8192
_PAGE_HEADER_BYTES, _NODE_HEADER, _ROW_NUMBER_BYTES = 16, struct.Struct("<HHHH"), 8


def whole_rows(store: Path, key: FeatureKey) -> Iterator[tuple[Digests, Values]]:
    """Every row of a store's file that is as it was written: digests (N,) and values (N, W), N <= 8192.

    A row of which the file holds copies comes several times. Nothing comes where the file does not hold the key's own
    text: then its rows may be of another cache.
    """
    kind = record_type(key)
    with _mapped(store) as data:
        if data.find(key_note(key)) < 0:
            return
        last = len(data) - kind.itemsize
        places = (place for place in chain(_small(data, kind.itemsize), _large(data)) if place <= last)
        while batch := list(islice(places, BATCH_ROWS)):
            records = np.frombuffer(b"".join(data[place : place + kind.itemsize] for place in batch), dtype=kind)
            whole = whole_records(records)
            if whole.any():
                yield records["digest"][whole], records["values"][whole]


def count_whole_rows(store: Path, key: FeatureKey) -> int:
    """How many distinct rows `whole_rows` finds."""
    digests = [batch for batch, _ in whole_rows(store, key)]
    return len(np.unique(np.concatenate(digests))) if digests else 0


def noted_keys(store: Path) -> Iterator[dict[str, Any]]:
    """The fields of every cache key that a store's file holds, in whole or stale pages."""
    with _mapped(store) as data:
        place = data.find(KEY + b"{")
        while place >= 0:
            text = data[place + len(KEY) : place + len(KEY) + PAGE_BYTES].decode("ascii", errors="replace")
            with suppress(ValueError):  # damaged: the next copy may not be
                yield json.JSONDecoder().raw_decode(text)[0]
            place = data.find(KEY + b"{", place + 1)


@contextmanager
def _mapped(store: Path) -> Iterator[mmap.mmap]:
    path = store / DATA_FILE
    if not path.exists() or not path.stat().st_size:  # what is empty cannot be mapped
        with mmap.mmap(-1, 1) as nothing:
            yield nothing
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _small(data: mmap.mmap, record_bytes: int) -> Iterator[int]:
    """Where records may begin that lie in a leaf page: behind a node's header and the row number that is its key."""
    header = _NODE_HEADER.pack(record_bytes & 0xFFFF, record_bytes >> 16, 0, _ROW_NUMBER_BYTES)
    place = data.find(header)
    while place >= 0:
        yield place + _NODE_HEADER.size + _ROW_NUMBER_BYTES
        place = data.find(header, place + 1)


def _large(data: mmap.mmap) -> Iterator[int]:
    """Where records may begin that have pages of their own: behind the header of a page."""
    return iter(range(_PAGE_HEADER_BYTES, len(data), PAGE_BYTES))
