"""A published data set that is one file of one's own: found by name and by `auto`, checked, and run to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cache.extensions import forget_plugins, load_plugins
from jobs import full_pipeline
from spg_dist import cli
from spg_dist.config import parse_config
from spg_dist.data import DataConfig, load_manifest
from spg_dist.data.datasets import DATASETS, PublishedDataset
from spg_dist.evaluation.results import read_results
from spg_dist.testing.datasets import DatasetContract

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "examples" / "digits_dg.py"
DOMAINS = ("mnist", "mnist_m", "svhn", "syn")


@pytest.fixture(autouse=True)
def no_plugins_left() -> Iterator[None]:
    yield
    forget_plugins()


@pytest.fixture
def dataset() -> PublishedDataset:
    load_plugins([str(PLUGIN)])
    return DATASETS["digits-dg"]


class TestDigitsDg(DatasetContract):
    pass


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits_dg/<domain>/{train,val}/<class>/*.jpg`: three images of noise for train and one for val."""
    root, random = tmp_path_factory.mktemp("data") / "digits_dg", np.random.default_rng(1)
    for domain in DOMAINS:
        for digit in range(10):
            for number in range(4):
                folder = root / domain / ("val" if number == 3 else "train") / str(digit)
                folder.mkdir(parents=True, exist_ok=True)
                pixels_HWC = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels_HWC).save(folder / f"{number}.jpg")
    return root


def test_it_holds_the_published_counts(dataset: PublishedDataset) -> None:
    assert dataset.domains == DOMAINS
    assert dataset.class_names == tuple("0123456789")
    assert set(dataset.images.values()) == {10 * 600} and sum(dataset.images.values()) == 24_000


@pytest.mark.parametrize("name", ["digits-dg", "auto"])
def test_it_is_found_below_its_parent_with_the_published_splits(
    dataset: PublishedDataset, digits: Path, tmp_path: Path, name: str
) -> None:
    manifest = load_manifest(DataConfig(name, str(digits.parent)), tmp_path / "splits")
    assert (manifest.dataset, manifest.domains, manifest.published) == ("Digits-DG", DOMAINS, True)
    assert manifest.class_names == dataset.class_names
    assert len(manifest.select(splits={"train"})) == 120 and len(manifest.select(splits={"val"})) == 40
    assert "published folders" in manifest.splits_source and not (tmp_path / "splits").exists()


def test_the_check_counts_it_beside_the_published_numbers(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", str(digits), "--decode", "--plugins", str(PLUGIN)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Digits-DG" in said and "10 published" in said and said.count("6,000") == 4


def test_without_the_plugin_its_name_is_refused(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_config(["data.dataset=digits-dg", f"data.root={digits}"], "test")
    assert ended.value.code == 2
    assert "data.dataset: expected one of drawn, auto, folder, " in capsys.readouterr().err


@pytest.mark.usefixtures("dataset")
def test_it_runs_to_its_end(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPG_HOME", str(tmp_path))
    full_pipeline.main(
        [
            "name=digits", "execution.backend=local", "data.dataset=digits-dg", f"data.root={digits.parent}",
            "clip.device=cpu", "seeds=[1]", "methods=[zero-shot,spg]", "targets=[svhn]", "stage1.epochs=1",
            "stage2.epochs=1", "stage2.batch_size=8", "stage2.g_widths=[16,24]", "stage2.d_width=16",
        ]
    )  # fmt: skip
    rows = read_results(tmp_path / "runs" / "digits" / "results.csv")
    assert {(row.dataset, row.target, row.method, row.n) for row in rows} == {
        ("Digits-DG", "svhn", "zero-shot", 40),
        ("Digits-DG", "svhn", "spg", 40),
    }


def test_nothing_else_knows_of_it() -> None:
    for folder in ("cache", "spg_dist", "tuning", "jobs", "benchmarks"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8").lower()
            assert not any(name in text for name in ("digits_dg", "digits-dg", "digitsdg")), file
