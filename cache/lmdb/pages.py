"""The seal of an LMDB store: a checksum for each 4 KiB of `data.mdb`, because LMDB's pages carry none.

A seal holds for every byte of the file, those in no use too. A writer compares and removes it before it changes a page
and makes a new one after its commit, so a store without a seal is one that is being written or whose writer was killed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from cache.durable import sync
from cache.errors import DamagedShardError
from cache.folder import LocalFolder

DATA_FILE, LOCK_FILE, SEAL_FILE = "data.mdb", "lock.mdb", "pages.xxh3"
PAGE_BYTES = 4096
_CHUNK_BYTES = 2048 * PAGE_BYTES
_LOOKS = 5
_SUM = np.dtype("<u8")
QUICK_BYTES = 64 << 20
"""Up to this size (10 ms) a store is compared when it is opened and sealed after every commit; a larger one only when
it has grown by 2 to 3 %, or it would be read as a whole for every shard that fills it."""


def seal_pages(store: Path) -> None:
    """Write the seal of a store's file, durable when this returns. No writer may be at work."""
    sums = _page_sums(store / DATA_FILE).tobytes()
    LocalFolder(store).write(SEAL_FILE, sums + _own_sum(sums))


def break_seal(store: Path, cure: str) -> None:
    """Compare a store with its seal, if it has one, and take that away, durably, before a page is changed.

    Raises:
        DamagedShardError: pages are not as they were sealed. A new seal would hide it, so nothing may be written.
    """
    if _compared(store, cure):
        (store / SEAL_FILE).unlink(missing_ok=True)
        sync(store)


def refuse_to_open(store: Path, cure: str) -> None:
    """Compare what can be compared quickly: all of a store up to `QUICK_BYTES`, of a larger one its length.

    LMDB trusts its pages, and a damaged one can end the process that reads it.

    Raises:
        DamagedShardError: pages are not as they were sealed.
    """
    data = store / DATA_FILE
    if data.exists() and data.stat().st_size <= QUICK_BYTES:
        _compared(store, cure)
    elif _is_cut(store):
        raise DamagedShardError(f"LMDB store {data} has been cut; run `{cure}`, then encode again", str(data))


def _compared(store: Path, cure: str) -> bool:
    """Whether there is a seal, and the file is as it says."""
    changed = changed_pages(store)
    if changed:
        data = str(store / DATA_FILE)
        raise DamagedShardError(
            f"LMDB store {data} is damaged: {describe(changed)}; run `{cure}`, then encode again", data
        )
    return changed is not None


def changed_pages(store: Path) -> list[int] | None:
    """Numbers of the 4 KiB pages that differ from the seal, are missing or too many; None where there is no seal,
    or where writers make a new one time and again.

    Raises:
        DamagedShardError: the seal itself is damaged.
    """
    for _ in range(_LOOKS):
        seal = _read(store)
        if seal is None:
            break
        sealed = _unsealed_sums(seal, store)
        found = _page_sums(store / DATA_FILE) if (store / DATA_FILE).exists() else np.empty(0, _SUM)
        both = min(len(sealed), len(found))
        beyond = range(both, max(len(sealed), len(found)))
        changed = [*np.flatnonzero(sealed[:both] != found[:both]).tolist(), *beyond]
        if not changed or _read(store) == seal:  # else a writer was at work meanwhile: look again
            return changed
    return None


def is_sealed(store: Path) -> bool:
    """Whether the store has a seal."""
    return (store / SEAL_FILE).exists()


def _is_cut(store: Path) -> bool:
    """Whether the file ends before the last page that was sealed."""
    try:
        sealed_pages = (store / SEAL_FILE).stat().st_size // _SUM.itemsize - 1
        return -(-(store / DATA_FILE).stat().st_size // PAGE_BYTES) < sealed_pages
    except FileNotFoundError:
        return False


def seal_is_due(bytes_before: int, bytes_after: int) -> bool:
    """Whether a store that a commit let grow so is to be sealed now, see `QUICK_BYTES`."""
    step = 1 << max(0, bytes_after.bit_length() - 6)
    return bytes_after <= QUICK_BYTES or bytes_before // step != bytes_after // step


def describe(pages: list[int]) -> str:
    """Changed pages in a phrase."""
    shown = ", ".join(map(str, pages[:8])) + (", ..." if len(pages) > 8 else "")
    return f"{len(pages)} pages of {PAGE_BYTES} bytes are not as they were written: {shown}"


def _page_sums(path: Path) -> npt.NDArray[np.uint64]:
    """xxh3_64 of each 4 KiB of a file, the last one maybe shorter. Read, not mapped: a map of a cut file kills."""
    sums: list[int] = []
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            view = memoryview(chunk)
            sums += [xxh3_64_intdigest(view[start : start + PAGE_BYTES]) for start in range(0, len(view), PAGE_BYTES)]
    return np.array(sums, dtype=_SUM)


def _own_sum(sums: bytes) -> bytes:
    return xxh3_64_intdigest(sums).to_bytes(_SUM.itemsize, "little")


def _read(store: Path) -> bytes | None:
    try:
        return (store / SEAL_FILE).read_bytes()
    except FileNotFoundError:
        return None


def _unsealed_sums(seal: bytes, store: Path) -> npt.NDArray[np.uint64]:
    sums, own = seal[: -_SUM.itemsize], seal[-_SUM.itemsize :]
    if len(seal) % _SUM.itemsize or own != _own_sum(sums):
        where = str(store / SEAL_FILE)
        raise DamagedShardError(f"{where} fails its own checksum; run `spg-dist cache repair` on this cache", where)
    return np.frombuffer(sums, dtype=_SUM)
