"""Reading an LMDB store: rows by number, each compared with its checksum whenever it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import CacheError, DamagedShardError, missing_rows
from cache.key import FeatureKey
from cache.lmdb.environment import LmdbFile
from cache.lmdb.records import DIGEST_PART, digest_keys, record_type, row_keys, whole_records
from cache.rows import ABSENT, Digests, Values, digests_from_hex, digests_to_hex, stored_dtype

_LAST_ROW = int(np.iinfo(np.int64).max)


def find_rows(file: LmdbFile, digests: Digests) -> npt.NDArray[np.int64]:
    """(N,) row numbers of N digests, ABSENT where there is none."""
    found = np.full(len(digests), ABSENT, dtype=np.int64)
    if file.exists():
        with file.reading() as (transaction, _, index_db):
            for position, name in enumerate(digest_keys(digests)):
                number = transaction.get(name, db=index_db)
                if number is not None:
                    found[position] = min(int.from_bytes(number, "big"), _LAST_ROW)  # a damaged number can be huge
    return found


class LmdbReader:
    """See `cache.stores.Reader`. Row numbers hold for every reader of this store; rows written later are seen too."""

    def __init__(self, file: LmdbFile, key: FeatureKey) -> None:
        self._file, self.key = file, key

    @property
    def dtype(self) -> str:
        return self.key.dtype

    @property
    def width(self) -> int:
        return self.key.width

    def __len__(self) -> int:
        if not self._file.exists():
            return 0
        with self._file.reading() as (transaction, rows_db, _):
            return int(transaction.stat(rows_db)["entries"])

    def rows(self, digests: Sequence[str]) -> npt.NDArray[np.int64]:
        names = digests_from_hex(digests)
        found = find_rows(self._file, names)
        absent = np.flatnonzero(found == ABSENT)
        if len(absent):
            raise missing_rows(str(self._file.path), [digests[row] for row in absent.tolist()], len(digests))
        self._refuse_astray(names, found)
        return found

    def _refuse_astray(self, names: Digests, numbers: npt.NDArray[np.int64]) -> None:
        """A damaged index can lead to the row of another image, whose checksum is right."""
        if not len(names):
            return
        with self._file.reading() as (transaction, rows_db, _):
            astray = [
                (transaction.get(row, db=rows_db) or b"")[DIGEST_PART] != name
                for row, name in zip(row_keys(numbers), digest_keys(names), strict=True)
            ]
        if any(astray):
            digests = digests_to_hex(names[np.array(astray)])
            raise DamagedShardError(
                f"LMDB store {self._file.path} is damaged: its index leads {len(digests)} images astray, the first "
                f"with digest {digests[0]}; run `{self._file.cure}`, then encode again",
                str(self._file.path),
                digests,
            )

    def take(self, rows: npt.ArrayLike) -> Values:
        numbers = np.asarray(rows, dtype=np.int64)
        if not numbers.size:
            return np.empty((0, self.width), dtype=stored_dtype(self.dtype))
        if int(numbers.min()) < 0:
            raise IndexError(f"row number {numbers.min()}; row numbers are those that `rows` returned")
        # Ascending keys let the cursor walk the pages once; repeated numbers come once.
        unique, inverse = np.unique(numbers, return_inverse=True)
        with self._file.reading() as (transaction, rows_db, _), transaction.cursor(db=rows_db) as cursor:
            values = [value for _, value in cursor.getmulti(row_keys(unique))]
            if len(values) < len(unique):
                raise IndexError(
                    f"{len(unique) - len(values)} of {len(unique)} row numbers are not in {self._file.path}"
                )
            packed = self._verified(values)
        return np.ascontiguousarray(packed["values"][inverse])

    def _verified(self, values: list[Any]) -> npt.NDArray[np.void]:
        """Records as one array, each compared with its checksum."""
        kind = record_type(self.key)
        if any(len(value) != kind.itemsize for value in values):
            raise DamagedShardError(
                f"LMDB store {self._file.path} holds records not of {kind.itemsize} bytes; run `{self._file.cure}`",
                str(self._file.path),
            )
        packed = np.frombuffer(b"".join(values), dtype=kind)
        wrong = ~whole_records(packed)
        if wrong.any():
            digests = digests_to_hex(packed["digest"][wrong])
            raise DamagedShardError(
                f"LMDB store {self._file.path} is damaged: {len(digests)} rows fail their checksum, the first for "
                f"image digest {digests[0]}; run `{self._file.cure}`, then encode again",
                str(self._file.path),
                digests,
            )
        return packed

    def matrix(self, *, check: bool = True) -> Values:
        raise CacheError(
            f"LMDB store {self._file.path} cannot be mapped as one matrix; read rows with `take`, or convert the cache "
            "to one that can, such as arrow: `spg-dist cache convert`"
        )

    def batches(self, rows_per_batch: int) -> Iterator[tuple[Digests, Values]]:
        after = b""
        while self._file.exists():
            values: list[Any] = []
            with self._file.reading() as (transaction, rows_db, _), transaction.cursor(db=rows_db) as cursor:
                there = cursor.set_range(after) if after else cursor.first()
                while there and len(values) < rows_per_batch:
                    values.append(bytes(cursor.value()))
                    after = (int.from_bytes(cursor.key(), "big") + 1).to_bytes(8, "big")
                    there = cursor.next()
            if not values:
                return
            packed = self._verified(values)
            yield np.ascontiguousarray(packed["digest"]), np.ascontiguousarray(packed["values"])

    def close(self) -> None:
        self._file.close()
