"""DigestLookup: from image digests to row numbers, over many sorted runs, in logarithmic time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cache.rows import ABSENT, DIGEST_TYPE, Digests

MAPPED_RUN_ROWS = 65_536
"""A run at least this long is searched where it lies (a memory map); shorter ones are merged in memory."""


@dataclass
class _Run:
    digests: Digests
    first_row: int
    rows: npt.NDArray[np.int64] | None  # None: consecutive from first_row

    def row_numbers(self) -> npt.NDArray[np.int64]:
        if self.rows is not None:
            return self.rows
        return np.arange(self.first_row, self.first_row + len(self.digests), dtype=np.int64)


class DigestLookup:
    """Grows by sorted runs. Short runs are merged like a binary counter, so N rows in S shards cost O(N log S) to add
    and a look-up searches O(log S) runs. Where two runs hold one digest, the run added first counts, short runs after
    long ones.
    """

    def __init__(self) -> None:
        self._long: list[_Run] = []
        self._short: list[_Run] = []

    def add(self, digests: Digests, first_row: int) -> None:
        """Add a run of N ascending digests (N,) whose rows are numbered from `first_row`."""
        if len(digests) >= MAPPED_RUN_ROWS:
            self._long.append(_Run(digests, first_row, None))
            return
        self._short.append(_Run(np.array(digests), first_row, None))
        while len(self._short) > 1 and 2 * len(self._short[-1].digests) > len(self._short[-2].digests):
            newer, older = self._short.pop(), self._short.pop()
            self._short.append(_merged(older, newer))

    def find(self, digests: Digests) -> npt.NDArray[np.int64]:
        """(N,) row numbers of N digests (N,); ABSENT where there is none."""
        found = np.full(len(digests), ABSENT, dtype=np.int64)
        open_queries = np.arange(len(digests))
        for run in (*self._long, *self._short):
            if not len(open_queries) or not len(run.digests):
                continue
            queries = digests[open_queries]
            places = np.minimum(np.searchsorted(run.digests, queries), len(run.digests) - 1)
            hits = run.digests[places] == queries
            rows = places + run.first_row if run.rows is None else run.rows[places]
            found[open_queries[hits]] = rows[hits]
            open_queries = open_queries[~hits]
        return found


def _merged(older: _Run, newer: _Run) -> _Run:
    digests = np.concatenate([older.digests, newer.digests]).astype(DIGEST_TYPE, copy=False)
    rows = np.concatenate([older.row_numbers(), newer.row_numbers()])
    order = np.argsort(digests, kind="stable")  # stable: of equal digests the older run's comes first
    return _Run(digests[order], 0, rows[order])
