"""A store in one file of somebody else's: nothing knows of it, and everything works with it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_material import draw_images
from safetensors import safe_open

from cache import CacheError, FeatureCache
from cache.extensions import forget_plugins, load_plugins
from cache.testing import StoreContract, UpkeepContract
from cache.testing.material import as_stored, digests_of, filled, key_of, rows_of
from cache.upkeep.command_line import run
from cache.upkeep.listing import list_caches
from cache.upkeep.repair import repair
from cache.upkeep.retention import collect_garbage
from jobs import encode
from spg_dist.clip.config import ClipConfig
from spg_dist.config import parse_config
from spg_dist.encode.config import EncodeConfig
from spg_dist.encode.job import CachedViews
from spg_dist.encode.shard import ShardTask

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = str(REPOSITORY / "examples" / "safetensors_store.py")


@pytest.fixture
def store() -> str:
    load_plugins([PLUGIN])
    return "safetensors"


class TestSafetensorsStore(StoreContract):
    """The contract of every store."""


class TestUpkeepOfSafetensorsStore(UpkeepContract):
    """The contract of every store's upkeep."""


@pytest.mark.parametrize("dtype", ["float16", "float32", "bfloat16"])
def test_the_files_are_what_the_library_reads(tmp_path: Path, store: str, dtype: str) -> None:
    cache, digests = filled(tmp_path, store, dtype=dtype), digests_of(40)
    cache.compact(keep_replaced_seconds=0)
    (path,) = (tmp_path / cache.key.digest / store).glob("*.safetensors")
    with safe_open(path, framework="pt") as file:
        assert sorted(file.keys()) == ["checksum", "digest", "feature"]
        feature, names = file.get_tensor("feature"), file.get_tensor("digest").numpy()
    assert feature.dtype == getattr(torch, dtype)
    bits = feature.view(torch.uint16).numpy() if dtype == "bfloat16" else feature.numpy()
    order = [[bytes(name).hex() for name in names].index(digest) for digest in digests]
    np.testing.assert_array_equal(bits[order], as_stored(rows_of(digests), dtype))


def test_features_begin_at_a_round_place_and_are_mapped(tmp_path: Path, store: str) -> None:
    cache = filled(tmp_path, store)
    cache.compact()
    matrix = cache.reader().matrix()
    assert not matrix.flags.owndata and matrix.ctypes.data % 64 == 0


def test_the_command_exports_its_rows_in_a_process_of_its_own(tmp_path: Path, store: str) -> None:
    cache, out = filled(tmp_path / "root", store, 5), tmp_path / "out.parquet"
    command = [sys.executable, "-m", "cache", "export", str(tmp_path / "root"), cache.key.digest, str(out)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert told.returncode == 2 and not out.exists()
    assert "there is no store 'safetensors'" in told.stderr and "its plugin" in told.stderr
    done = subprocess.run([*command, "--plugins", PLUGIN], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout == f"5 rows written to {out}\n"


def test_without_its_plugin_it_is_named_and_left_alone(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = filled(tmp_path, store)
    folder = tmp_path / cache.key.digest
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    forget_plugins()
    (summary,) = list_caches(tmp_path)
    assert (summary.store, summary.key) == ("safetensors", cache.key)
    assert summary.error and "there is no store 'safetensors' (known: arrow, lmdb)" in summary.error
    for argv in (["ls", str(tmp_path)], ["verify", str(tmp_path)]):
        assert run(argv) == 1
        assert "no store 'safetensors'" in capsys.readouterr().out, argv
    for argv in (["repair"], ["compact"], ["convert", "--to", "arrow"]):
        with pytest.raises(CacheError, match="no store 'safetensors'"):
            run([argv[0], str(tmp_path), cache.key.digest, *argv[1:]])
    with pytest.raises(CacheError, match="kept as safetensors, asked for as arrow"):
        FeatureCache.open(tmp_path, cache.key)
    report = collect_garbage(tmp_path, timedelta(0), dry_run=False)
    assert report.removed == [] and "no store 'safetensors'" in report.kept[0][1]
    (folder / "cache.json").unlink()
    assert run(["verify", str(tmp_path)]) == 1
    assert "if safetensors in it is a store of your own, name its plugin" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before if path.name != "cache.json"} == {
        path: data for path, data in before.items() if path.name != "cache.json"
    }


def test_a_header_that_promises_too_many_rows_is_not_believed(tmp_path: Path, store: str) -> None:
    cache = filled(tmp_path, store, 8)
    (path,) = (tmp_path / cache.key.digest / store).glob("*.safetensors")
    path.with_suffix(".json").unlink()
    data = path.read_bytes()
    longer = data.replace(b"[8, 32]", b"[8" + b"0" * 12 + b", 32]", 1).replace(b" " * 12, b"", 1)
    assert len(longer) == len(data)
    path.write_bytes(longer)
    report = repair(cache.folder, cache.key, store)  # type: ignore[arg-type]
    assert report.left == [] and len(FeatureCache.open(tmp_path, cache.key, store=store).reader()) <= 8


def test_a_job_encodes_into_it_and_a_second_one_finds_everything(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["data.dataset=folder", f"data.root={draw_images(tmp_path / 'images', each=4)}", "clip.model=tiny-rn"]
    settings += ["clip.pretrained=random", "clip.device=cpu", "execution.backend=local", "encode.shard_rows=10"]
    for job, said in (("first", "36 features encoded"), ("second", "0 features encoded, 36 reused")):
        encode.main([*settings, f"name={job}", f"plugins=[{PLUGIN}]", "cache.store=safetensors"])
        assert said in " ".join(capsys.readouterr().out.split())
    encode.main([*settings, "name=arrow", "cache.root=arrow-cache"])
    (mine,), (arrow,) = (list_caches(home / root) for root in ("feature-cache", "arrow-cache"))
    assert (mine.store, mine.rows, mine.shards, mine.key) == ("safetensors", 36, 1, arrow.key)
    matrices = [
        FeatureCache.open(home / root, arrow.key, store=store).reader().matrix()
        for root, store in (("feature-cache", "safetensors"), ("arrow-cache", "arrow"))
    ]
    np.testing.assert_array_equal(*matrices)


def test_what_a_job_sends_to_its_workers_brings_the_store_along(store: str) -> None:
    key = key_of()
    task = ShardTask(ClipConfig(), EncodeConfig(), "root", store, key, (), (), ())
    program = (
        "import pickle, sys; one = pickle.load(sys.stdin.buffer); from cache import STORES; print(one.store in STORES)"
    )
    for one in (task, CachedViews("root", store, (), (key,))):
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, input=pickle.dumps(one), capture_output=True, check=True, cwd=REPOSITORY)
        assert done.stdout == b"True\n"


def test_the_configuration_knows_it_while_its_plugin_is_loaded(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_config(["cache.store=safetensors"], "job").cache.store == store
    forget_plugins()
    with pytest.raises(SystemExit):
        parse_config(["cache.store=safetensors"], "job")
    assert "cache.store: expected one of arrow, lmdb, got 'safetensors'" in capsys.readouterr().err
