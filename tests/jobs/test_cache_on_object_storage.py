"""The pipeline with its cache on S3, spoken to a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import full_pipeline
from spg_dist.evaluation.results import read_results

SETTINGS = [
    "execution.backend=local",
    "data.images_per_class=4",
    "targets=[sketch]",
    "seeds=[1]",
    "methods=[coop]",
    "coop.epochs=1",
    "encode.shard_rows=50",
]


def test_a_cache_on_s3_gives_the_results_of_a_local_one_and_is_reused(
    s3_root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPG_HOME", str(tmp_path))
    full_pipeline.main([*SETTINGS, "name=local"])
    full_pipeline.main([*SETTINGS, "name=remote", f"cache.root={s3_root}"])
    assert "128 features encoded" in capsys.readouterr().out
    full_pipeline.main([*SETTINGS, "name=again", f"cache.root={s3_root}"])
    assert "0 features encoded, 128 reused" in capsys.readouterr().out
    results = [read_results(tmp_path / "runs" / name / "results.csv") for name in ("local", "remote", "again")]
    assert len({tuple((row.key, row.accuracy) for row in rows) for rows in results}) == 1
