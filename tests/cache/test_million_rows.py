"""A table of 1,000,000 rows of 512 float16: written, compacted, opened at once and sampled without being loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cache import FeatureCache, FeatureKey

ROWS, SHARD_ROWS, WIDTH = 1_000_000, 125_000, 512
KEY = FeatureKey(backbone="b", transform="t", dtype="float16", width=WIDTH)
REPOSITORY = Path(__file__).resolve().parents[2]

OPEN_AND_SAMPLE = """
import json, sys, time
from cache import FeatureCache, FeatureKey

def resident_bytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

key = FeatureKey(backbone="b", transform="t", dtype="float16", width=512)
digests = sys.stdin.read().split()
before, seconds = resident_bytes(), []
for _ in range(5):
    start = time.perf_counter()
    reader = FeatureCache.open(sys.argv[1], key).reader()
    rows = len(reader)
    seconds.append(time.perf_counter() - start)
opened = resident_bytes() - before
taken = reader.take(reader.rows(digests))
print(json.dumps({"rows": rows, "seconds": min(seconds), "bytes": opened, "sample": taken.tobytes().hex()}))
"""


def shard(number: int) -> tuple[list[str], np.ndarray]:
    """The digests and rows of one shard, the same at every call."""
    source = np.random.default_rng(number)
    text = source.bytes(32 * SHARD_ROWS).hex()
    digests = [text[start : start + 64] for start in range(0, len(text), 64)]
    bits = source.integers(0, 0x7000, (SHARD_ROWS, WIDTH), dtype=np.uint16)
    return digests, bits.view(np.float16)


@pytest.mark.faults
def test_a_million_rows_open_at_once_and_are_sampled_from_the_map(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 4 << 30:
        pytest.skip(f"needs 4 GiB of free disk at {tmp_path}")
    cache = FeatureCache.open(tmp_path, KEY)
    asked, expected = [], []
    for number in range(ROWS // SHARD_ROWS):
        digests, rows = shard(number)
        cache.write_shard(digests, rows)
        asked += digests[number::5000]
        expected.append(rows[number::5000])
    assert cache.compact(keep_replaced_seconds=0).rows == ROWS
    program = [sys.executable, "-c", OPEN_AND_SAMPLE, str(tmp_path)]
    done = subprocess.run(program, input=" ".join(asked), capture_output=True, text=True, check=True, cwd=REPOSITORY)
    measured = json.loads(done.stdout)
    assert measured["rows"] == ROWS
    assert measured["sample"] == np.concatenate(expected).tobytes().hex()
    assert measured["seconds"] < 0.050 and measured["bytes"] < 50e6, measured["seconds"]
    shutil.rmtree(tmp_path)
