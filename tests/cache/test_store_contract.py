"""Our own stores keep the contract that ships as `cache.testing`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cache import DTYPES, CacheError, FeatureCache
from cache.testing import StoreContract
from cache.testing.material import as_stored, digests_of, filled, key_of


class TestStores(StoreContract):
    """Those of the table, by the fixture `store`."""


def test_an_arrow_cache_is_mapped_where_it_is_one_shard_and_says_what_to_do_where_not(tmp_path: Path) -> None:
    cache, digests = filled(tmp_path, "arrow"), digests_of(40)
    with pytest.raises(CacheError, match="compact"):
        cache.reader().matrix()
    assert cache.compact().shards_after == 1
    reader = cache.reader()
    matrix = reader.matrix()
    assert not matrix.flags.owndata and not matrix.flags.writeable
    np.testing.assert_array_equal(matrix[reader.rows(digests)], reader.take(reader.rows(digests)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), dtype=st.sampled_from(DTYPES))
def test_any_finite_rows_survive_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, store: str, data: st.DataObject, dtype: str
) -> None:
    width, count = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 12))
    names = data.draw(st.lists(st.binary(min_size=32, max_size=32), min_size=count, max_size=count, unique=True))
    digests = [name.hex() for name in names]
    finite = st.floats(-60000, 60000, width=32)
    rows = data.draw(hnp.arrays(np.float32, (count, width), elements=finite))
    cut = data.draw(st.integers(0, count))
    cache = FeatureCache.open(tmp_path_factory.mktemp("round"), key_of(dtype, width), store=store)
    cache.write_shard(digests[:cut], rows[:cut])
    cache.write_shard(digests[cut:], rows[cut:])
    reader = cache.reader()
    stored = reader.take(reader.rows(digests))
    np.testing.assert_array_equal(stored.view(np.uint8), as_stored(rows, dtype).view(np.uint8))
    reader.close()


def test_importing_the_cache_imports_no_store_and_no_test_tool() -> None:
    program = "import sys, cache; print(sys.modules.keys() & {'pytest', 'lmdb', 'cache.arrow.store'})"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"set()\n"
