"""Names of files, domains and data sets that people have: they work to the end, or are refused before any work."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bad_input_material import arguments, failure
from drawn_material import CLASSES, draw_images

from jobs import full_pipeline, predict
from spg_dist import cli
from spg_dist.evaluation.results import read_results
from spg_dist.file_names import MAX_BYTES, file_name, from_text, to_text

LATIN_1 = os.fsdecode(b"M\xfcller")
SHORT = ("coop.epochs=1", "coop.n_ctx=4", "seeds=[1]")
FILE_NAMES = (
    LATIN_1,
    "Müller",
    "back\\slash",
    "line\nbreak",
    "a<FC>b",
    "<<FC>>" + os.fsdecode(b"\xff"),
    'comma, "quote"',
    "100%25",
    "-rf",
    "|",
    "ﬁ e\u0301 \u200b😀",
    "n" * 240,
)


@pytest.mark.parametrize("name", [*FILE_NAMES, "dir/0.png", "<5C>", "\\x5c"])
def test_every_name_comes_back_from_its_text(name: str) -> None:
    text = to_text(name)
    assert from_text(text) == name
    assert text.encode() and text.isprintable() == (not {"\u200b"} & set(text)) and "\\" not in text


def test_no_two_names_have_one_text() -> None:
    assert len({to_text(name) for name in FILE_NAMES}) == len(FILE_NAMES)
    assert [to_text(name) for name in (LATIN_1, "a<FC>b", "photo/0 (1)é.png")] == [
        "M<FC>ller",
        "a<3C>FC>b",
        "photo/0 (1)é.png",
    ]


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = draw_images(tmp_path_factory.mktemp("odd") / "set", ("art", "photo"), CLASSES[:2], each=6)
    for i, name in enumerate(FILE_NAMES):
        (root / ("art", "photo")[i % 2] / CLASSES[0] / f"{i // 2}.png").rename(
            root / ("art", "photo")[i % 2] / CLASSES[0] / f"{name}.png"
        )
    return root


def test_a_run_on_images_of_any_name_names_each_in_its_predictions(oddly_named: Path, tmp_path: Path) -> None:
    settings = arguments(oddly_named, tmp_path, "targets=[]", "methods=[zero-shot,coop]", *SHORT)
    full_pipeline.main(settings)
    full_pipeline.main(settings)  # the splits that were drawn are read
    named = [
        image
        for file in (tmp_path / "runs/bad/predictions/coop").rglob("*.parquet")
        for image in pq.read_table(file)["image"].to_pylist()
    ]
    on_disk = sorted(str(path.relative_to(oddly_named)) for path in oddly_named.rglob("*.png"))
    assert sorted(map(from_text, named)) == on_disk
    assert (tmp_path / "runs/bad/report.html").read_text(encoding="utf-8")

    predict.main(str(tmp_path / "runs/bad"), str(oddly_named), "art", output=str(tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        listed = {from_text(row["image"]) for row in csv.DictReader(stream)}
    assert sorted(os.path.relpath(image, oddly_named) for image in listed) == on_disk


def test_images_of_any_name_are_named_where_they_are_set_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw_images(tmp_path / "set", ("art", "photo"), CLASSES[:2], each=6)
    for name in (LATIN_1, "line\nbreak"):
        (root / "art" / CLASSES[0] / f"{name}.png").write_bytes(b"no image")
        (root / "art" / f"loose {name}.png").write_bytes(b"passed over")
    assert cli.main(["data", "check", str(root), "--decode"]) == 1
    printed = capsys.readouterr().out
    assert "art/boat/M<FC>ller.png" in printed and "art/boat/line<0A>break.png" in printed
    assert "art/loose M<FC>ller.png" in printed and "art/loose line<0A>break.png" in printed
    full_pipeline.main(arguments(root, tmp_path, "methods=[zero-shot]", "data.max_set_aside_share=0.2"))
    printed = capsys.readouterr().out
    assert "art/boat/M<FC>ller.png" in printed and "art/boat/line<0A>break.png" in printed


@pytest.mark.parametrize("what", ["domain", "class", "root"])
def test_folders_whose_names_are_not_utf8_are_refused_by_name(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw_images(tmp_path / "set", ("art", "photo"), CLASSES[:2], each=4)
    renamed = {"domain": root / "art", "class": root / "photo" / CLASSES[0], "root": root}[what]
    renamed.rename(renamed.with_name(LATIN_1))
    root = renamed.with_name(LATIN_1) if what == "root" else root
    message = failure(arguments(root, tmp_path / "home"), capsys)
    assert "M<FC>ller has a name that is not UTF-8" in message and "convmv" in message
    assert not (tmp_path / "home").exists() or not list((tmp_path / "home").rglob("*.arrow"))
    with pytest.raises(SystemExit) as stopped:
        cli.main(["data", "check", str(root)])
    assert stopped.value.code == 1 and "M<FC>ller" in capsys.readouterr().err


def test_no_place_of_a_job_is_one_whose_name_is_not_utf8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / LATIN_1
    home.mkdir()
    assert "not UTF-8" in failure(["execution.backend=local", f"runs={home}"], capsys)
    monkeypatch.setenv("SPG_HOME", str(home))
    assert "not UTF-8" in failure(["execution.backend=local"], capsys)
    assert not list(home.iterdir())


DOMAINS = ("a b", "a|b", "art", "ensemble-art", "art-on-photo", "photo", "photo-on-art", "d" * 200, "d" * 199 + "é")


def test_files_of_different_domains_never_collide(tmp_path: Path) -> None:
    root = draw_images(tmp_path / "set", ("art",), CLASSES[:2], each=4)
    for domain in DOMAINS:
        if domain != "art":
            (root / domain).symlink_to(root / "art")
    settings = arguments(root, tmp_path, "protocol=single-source", "targets=[]", *SHORT)
    full_pipeline.main([*settings, "methods=[zero-shot,zero-shot-ensemble,coop]"])
    run = tmp_path / "runs/bad"
    rows = read_results(run / "results.csv")
    assert len(rows) == 3 * len(DOMAINS) * (len(DOMAINS) - 1)
    tests = {(row.method, row.source, row.target) for row in rows}
    stored = [json.loads(pq.read_schema(file).metadata[b"spg-dist"]) for file in run.glob("predictions/**/*.parquet")]
    assert {(test["run"]["method"], test["run"]["where"], test["target"]) for test in stored} == tests
    assert len(stored) == len(tests) and len(list((run / "coop").iterdir())) == len(DOMAINS)


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "n" * 200, "Ünï cödé"])
def test_a_data_set_of_any_name_is_trained_on_and_tested_on(name: str, tmp_path: Path) -> None:
    root = draw_images(tmp_path / "set", ("art", "photo"), CLASSES[:2], each=4)
    other = f"test_data=[{{dataset: folder, root: {root}, name: there}}]"
    settings = [f"data.name={name}", "protocol=cross-dataset", other, "targets=[]", "methods=[zero-shot,coop]"]
    full_pipeline.main(arguments(root, tmp_path / "home", *settings, *SHORT))
    rows = read_results(tmp_path / "home/runs/bad/results.csv")
    assert {(row.dataset, row.target) for row in rows} == {(name, "there")}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "set"]


@pytest.mark.parametrize("name", ["art", "a b", "x" * MAX_BYTES, "é" * (MAX_BYTES // 2)])
def test_usual_names_are_their_own_file_names(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize("name", ["x" * (MAX_BYTES + 1), "é" * 100, "a/b", ".a", "", "..", "/"])
def test_other_names_get_a_file_name_that_fits_and_is_theirs_alone(name: str) -> None:
    made = file_name(name)
    assert len(made.encode()) <= MAX_BYTES and "/" not in made and made[0] != "."
    assert file_name(made) == made and made not in {file_name(other) for other in (f"{name}x", f"x{name}")}
