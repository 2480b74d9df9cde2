"""The order of writes as the kernel sees it, LMDB's own among them. What needs no tracing: `test_write_order.py`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
import pathlib, sys
from cache import FeatureCache, FeatureKey
cache = FeatureCache.open(sys.argv[1], FeatureKey(backbone="b", transform="t", dtype="float16", width=2), sys.argv[2])
cache.write_shard(["11" * 32], [[1.0, 2.0]])
pathlib.Path(sys.argv[1], "now").touch()
cache.write_shard(["22" * 32], [[1.0, 2.0]])
"""
CALL = re.compile(
    r"(?:(?P<call>write|pwrite|fsync|fdatasync)\w*\((?P<fd>\d+)<(?P<file>[^>]+)>"
    r'|(?P<rename>rename)\w*\(.*"(?P<target>[^"]+)"|(?P<unlink>unlink)\w*\(.*"(?P<gone>[^"]+)").* = \d'
)
EXPECTED = {
    "arrow": [
        "write .tmp", "fsync .tmp", "rename <name>.arrow", "fsync arrow",
        "write .tmp", "fsync .tmp", "rename <name>.json", "fsync arrow",
    ],
    "lmdb": [
        "unlink pages.xxh3", "fsync lmdb",
        "write data.mdb", "fdatasync data.mdb", "synchronous write data.mdb",
        "write .tmp", "fsync .tmp", "rename pages.xxh3", "fsync lmdb",
    ],
}  # fmt: skip


def traced(root: Path, store: str) -> str:
    """What strace tells of the calls that write, of a program that writes two shards."""
    calls = "trace=/^(open|write|pwrite|fsync|fdatasync|rename|unlink)"
    command = ["strace", "-f", "-y", "-s", "0", "-o", str(root / "trace"), "-e", calls, sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([*command, str(root), store], check=True, env=environment)
    return (root / "trace").read_text()


def steps(trace: str, root: Path) -> list[str]:
    """The calls behind the making of the file `now`, by kind of file; several writes to one file are one."""
    synchronous = set(re.findall(r"O_DSYNC.* = (\d+)<[^>]*data\.mdb>", trace))
    found: list[str] = []
    for line in trace[trace.index(f"{root}/now") :].splitlines():
        match = CALL.search(line)
        path = match and (match["file"] or match["target"] or match["gone"])
        if match is None or path is None or not path.startswith(str(root)):
            continue
        name = re.sub(r"^[0-9a-f]{32}(?=\.)", "<name>", re.sub(r"^\.tmp-.*", ".tmp", Path(path).name))
        call = (match["call"] or match["rename"] or match["unlink"]).removeprefix("p")
        step = f"{'synchronous ' if match['fd'] in synchronous and call == 'write' else ''}{call} {name}"
        found += [step] if found[-1:] != [step] else []
    return found


@pytest.fixture(scope="module", autouse=True)
def tracing() -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs the command strace")
    probe = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")


def test_nothing_is_announced_before_it_is_on_disk(tmp_path: Path, store: str) -> None:
    assert steps(traced(tmp_path, store), tmp_path) == EXPECTED[store]
