"""The documented layout: what the documentation's reader reads, and caches of earlier days."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from blake3 import blake3

from cache import DTYPES, FeatureCache, FeatureKey
from cache.folder import LocalFolder
from cache.shards.entry import ShardColumns, ShardEntry
from cache.testing.material import digests_of, key_of, rows_of
from cache.upkeep.verification import verify

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cache-format.md"
FIXTURES = Path(__file__).parent / "fixtures"
OLD_KEY = FeatureKey(backbone="fixture", transform="fixture", view="aug-5-2", dtype="float16", width=4, layout=1)
DIGESTS = digests_of(25)


def documented_reader() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    return str(code)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compacted", [False, True])
def test_the_documented_reader_reads_a_cache(tmp_path: Path, dtype: str, compacted: bool) -> None:
    cache = FeatureCache.open(tmp_path, key_of(dtype))
    for start in (0, 10, 20):
        cache.write_shard(DIGESTS[start : start + 10], rows_of(DIGESTS[start : start + 10]))
    if compacted:
        cache.compact()
    names: dict[str, object] = {}
    exec(compile(documented_reader(), str(DOCUMENT), "exec"), names)
    digests, rows = names["read_cache"](tmp_path / cache.key.digest)  # type: ignore[operator]
    reader = cache.reader()
    assert sorted(digests) == sorted(DIGESTS)
    np.testing.assert_array_equal(rows, reader.take(reader.rows(digests)))


def test_the_documented_reader_has_twenty_lines_at_most() -> None:
    lines = [line for line in documented_reader().splitlines() if line.strip() and not line.startswith("import")]
    assert len(lines) <= 20


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_entrys_offsets_are_where_arrow_has_the_columns(tmp_path: Path, dtype: str) -> None:
    cache = FeatureCache.open(tmp_path, key_of(dtype))
    cache.write_shard(DIGESTS, rows_of(DIGESTS))
    path = next((tmp_path / cache.key.digest / "arrow").glob("*.arrow"))
    entry = ShardEntry.from_json(path.with_suffix(".json").read_bytes(), "")
    columns = ShardColumns(np.fromfile(path, dtype=np.uint8), entry, cache.key)
    with pa.memory_map(str(path)) as source:
        batch = pa.ipc.open_file(source).get_batch(0)
        assert b"".join(batch["digest"].to_pylist()) == columns.digests.tobytes()
        np.testing.assert_array_equal(batch["checksum"].to_numpy(), columns.checksums)
        flat = batch["feature"].flatten().to_numpy(zero_copy_only=True)
        np.testing.assert_array_equal(flat.view(columns.values.dtype), columns.values.reshape(-1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 7, 200])
def test_the_features_begin_at_a_round_place(tmp_path: Path, dtype: str, rows: int) -> None:
    for width, alignment in (
        (3, 64),
        (2000 if rows == 200 else 512, 4096 if rows == 200 and dtype == "float32" else 64),
    ):
        cache = FeatureCache.open(tmp_path / str(width), key_of(dtype, width))
        cache.write_shard(digests_of(rows), np.zeros((rows, width), np.float32))
        (path,) = (tmp_path / str(width) / cache.key.digest / "arrow").glob("*.json")
        assert json.loads(path.read_text())["feature_offset"] % alignment == 0


def test_the_folders_name_is_made_as_documented() -> None:
    text = json.dumps(key_of().as_dict(), sort_keys=True)
    assert blake3(text.encode()).hexdigest(16) == key_of().digest


def test_a_cache_written_by_layout_version_1_is_read(tmp_path: Path, store: str) -> None:
    """The fixtures were written when version 1 began and are never made anew."""
    shutil.copytree(FIXTURES / f"layout-1-{store}", tmp_path / "root")
    reader = FeatureCache.open(tmp_path / "root", OLD_KEY, store=store).reader()
    expected = np.load(FIXTURES / "layout-1-rows.npy", allow_pickle=False)
    np.testing.assert_array_equal(reader.take(reader.rows(digests_of(6))), expected)
    report = verify(LocalFolder(tmp_path / "root" / OLD_KEY.digest), OLD_KEY, store)
    assert report.sound and report.rows == 6
