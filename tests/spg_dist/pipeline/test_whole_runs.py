"""Whole runs in one process: the same twice, resumed after a stop in any stage, honest about random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_material import draw_images
from experiment_material import CountsEpochs, Interrupted, Outcome, Quiet, StopsAt, arguments, outcome, run

from spg_dist.evaluation.results import read_results
from spg_dist.experiment.folder import RunFolder


def test_a_run_leaves_one_file_for_each_thing_it_learned(undisturbed: Outcome, undisturbed_folder: RunFolder) -> None:
    expected = {f"prompt_labels/{d}-seed1.safetensors" for d in ("art", "photo", "sketch")}
    expected |= {
        f"{k}/multi-source-{d}-seed1.safetensors" for k in ("coop", "generators") for d in ("art", "photo", "sketch")
    }
    assert set(undisturbed.tensors) == expected
    assert len(undisturbed.rows) == 12
    left = {path.name for path in undisturbed_folder.root.rglob("*") if path.suffix == ".tmp"}
    assert not left


def test_the_same_seed_gives_the_same_run_bit_by_bit(images: Path, home: Path, undisturbed: Outcome) -> None:
    assert undisturbed.differences(outcome(run(arguments(images, home, "name=again")))) == []


def test_another_seed_gives_another_run(images: Path, home: Path, undisturbed: Outcome) -> None:
    other = outcome(run(arguments(images, home, "name=seeds", "seeds=[1,2]", "targets=[art]", "methods=[spg]")))
    first, second = (other.tensors[f"generators/multi-source-art-seed{seed}.safetensors"] for seed in (1, 2))
    assert all(
        bool((first[n] == t).all())
        for n, t in undisturbed.tensors["generators/multi-source-art-seed1.safetensors"].items()
    )
    assert not bool((first["model.0.weight"] == second["model.0.weight"]).all())
    labels = [other.tensors[f"prompt_labels/photo-seed{seed}.safetensors"]["prompt"] for seed in (1, 2)]
    assert not bool((labels[0] == labels[1]).all())  # stage 1 is reseeded too


@pytest.mark.parametrize(
    ("prefix", "epochs"),
    [("prompt-label photo", 2), ("coop art", 1), ("spg art", 2), ("spg sketch", 1)],
    ids=["stage 1", "baseline", "first generator", "last generator"],
)
def test_a_run_stopped_in_a_training_ends_like_an_undisturbed_one(
    images: Path, home: Path, undisturbed: Outcome, prefix: str, epochs: int
) -> None:
    name = f"name=stopped-{prefix.replace(' ', '-')}"
    config = arguments(images, home, name)
    with pytest.raises(Interrupted):
        run(config, StopsAt(prefix, epochs))
    checkpoint = f"{prefix.replace(' ', '-')}-seed1.safetensors"
    assert (home / "runs" / name.removeprefix("name=") / "checkpoints" / checkpoint).exists()
    display = Quiet()
    assert undisturbed.differences(outcome(run(config, display))) == []
    assert f"{prefix} seed 1: resumed at epoch {epochs + 1}" in display.text.getvalue()


def test_a_finished_run_trains_nothing_again_and_keeps_its_results(
    images: Path, home: Path, undisturbed: Outcome, undisturbed_folder: RunFolder
) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in undisturbed_folder.root.rglob("*.safetensors")}
    display = CountsEpochs()
    assert undisturbed.differences(outcome(run(arguments(images, home, "name=undisturbed"), display))) == []
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert display.epochs == 0
    assert "nothing to encode" in display.text.getvalue()


def test_a_target_added_later_joins_the_same_folder(images: Path, home: Path, undisturbed: Outcome) -> None:
    run(arguments(images, home, "name=grown", "targets=[art]"))
    assert undisturbed.differences(outcome(run(arguments(images, home, "name=grown")))) == []


def test_two_domains_train_on_one_and_test_on_the_other(tmp_path: Path, home: Path) -> None:
    folder = run(arguments(draw_images(tmp_path / "two", domains=("photo", "sketch")), home, "name=two"))
    rows = read_results(folder.results)
    assert {(row.source, row.target) for row in rows} == {("photo", "sketch"), ("sketch", "photo")}
    assert {row.n for row in rows} == {18}


def test_augmented_views_train_and_the_summary_says_so(images: Path, home: Path, undisturbed: Outcome) -> None:
    folder = run(arguments(images, home, "name=views", "encode.views=2", "targets=[art]", "methods=[spg]"))
    plain = undisturbed.tensors["generators/multi-source-art-seed1.safetensors"]
    views = outcome(folder).tensors["generators/multi-source-art-seed1.safetensors"]
    assert not bool((plain["model.0.weight"] == views["model.0.weight"]).all())
    assert "2 augmented views" in folder.summary.read_text()


def test_random_weights_are_named_wherever_figures_stand(images: Path, home: Path) -> None:
    settings = ("name=random", "clip.pretrained=random", "targets=[art]", "methods=[zero-shot,coop]")
    display = Quiet()
    folder = run(arguments(images, home, *settings), display)
    for path in (folder.results, folder.summary, folder.report):
        assert "random weights" in path.read_text().lower(), path.name
    assert "RANDOM WEIGHTS" in display.text.getvalue()


def test_trained_weights_are_not_called_random(undisturbed_folder: RunFolder) -> None:
    for path in (undisturbed_folder.results, undisturbed_folder.summary, undisturbed_folder.report):
        assert "random weights" not in path.read_text().lower(), path.name


def test_lmdb_gives_the_same_results_as_arrow(images: Path, home: Path, undisturbed: Outcome) -> None:
    settings = ("name=lmdb", "cache.store=lmdb", f"cache.root={home / 'lmdb'}")
    assert undisturbed.differences(outcome(run(arguments(images, home, *settings), Quiet()))) == []


def test_where_things_lie_and_how_work_is_done_may_change(tmp_path: Path) -> None:
    images, home = draw_images(tmp_path / "here" / "set"), tmp_path / "home"
    folder = run(arguments(images, home, "name=moves", "targets=[sketch]", "seeds=[1]"))
    before = {path: path.stat().st_mtime_ns for path in folder.root.rglob("*.safetensors")}
    assert before
    (tmp_path / "here").rename(tmp_path / "there")
    moved = arguments(tmp_path / "there" / "set", home, "name=moves", "targets=[sketch]", "seeds=[1]")
    elsewhere = [f"cache.root={tmp_path / 'cache'}", "cache.store=lmdb", "encode.batch_size=7", "encode.shard_rows=5"]
    run([*moved, *elsewhere, "data.max_set_aside_share=0.5", "clip.device=auto"])
    assert {path: path.stat().st_mtime_ns for path in folder.root.rglob("*.safetensors")} == before


def test_other_images_elsewhere_are_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, settings = tmp_path / "home", ("name=others", "targets=[sketch]", "seeds=[1]", "methods=[coop]")
    folder = run(arguments(draw_images(tmp_path / "one" / "set"), home, *settings))
    kept = [path for path in folder.root.rglob("*") if path.is_file() and path != folder.costs]
    before = {path: path.read_bytes() for path in kept}
    with pytest.raises(SystemExit):
        run(arguments(draw_images(tmp_path / "two" / "set", each=5), home, *settings))
    assert "holds a run on the images in" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in kept} == before
