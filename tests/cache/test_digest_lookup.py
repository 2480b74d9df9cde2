"""The look-up agrees with a dictionary, however the runs are cut and merged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.rows import ABSENT, DIGEST_TYPE, Digests
from cache.shards import lookup
from cache.shards.lookup import DigestLookup

# Few different bytes, NULs at both ends among them, so that prefixes, repetitions and padding all happen.
NAMES = st.lists(st.sampled_from([0, 1, 255]), min_size=2, max_size=2).map(lambda ends: bytes(ends) + b"\0" * 30)
RUNS = st.lists(st.lists(NAMES | st.binary(min_size=32, max_size=32), unique=True, max_size=9), max_size=12)


def as_run(names: list[bytes]) -> Digests:
    return np.frombuffer(b"".join(sorted(names)), dtype=DIGEST_TYPE)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=RUNS, others=st.lists(NAMES | st.binary(min_size=32, max_size=32), max_size=5))
@pytest.mark.parametrize("long_run_rows", [1_000_000, 4])
def test_it_finds_what_a_dictionary_finds(
    monkeypatch: pytest.MonkeyPatch, runs: list[list[bytes]], others: list[bytes], long_run_rows: int
) -> None:
    monkeypatch.setattr(lookup, "MAPPED_RUN_ROWS", long_run_rows)
    found, expected, first_row = DigestLookup(), {}, 0
    numbered = []
    for names in runs:
        found.add(as_run(names), first_row)
        numbered.append([(name, first_row + row) for row, name in enumerate(sorted(names))])
        first_row += len(names)
    for run in sorted(numbered, key=lambda run: len(run) < long_run_rows):  # long runs count first, then by age
        for name, row in run:
            expected.setdefault(name, row)
    queries = [*others, *expected, *others]
    rows = found.find(np.frombuffer(b"".join(queries), dtype=DIGEST_TYPE))
    assert rows.tolist() == [expected.get(query, ABSENT) for query in queries]
