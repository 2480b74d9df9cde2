"""What cannot be run is refused with one message that names the cause and the cure, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from drawn_material import DOMAINS, draw_images
from experiment_material import arguments, run
from filelock import FileLock

from jobs import encode, evaluate, full_pipeline, train
from spg_dist.experiment.folder import RunFolder


def refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one message on stderr of a run that ends with status 1."""
    with pytest.raises(SystemExit) as caught:
        run(given)
    assert caught.value.code == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(errors) == 1 and errors[0].startswith("error: "), errors
    return errors[0]


def test_one_domain_is_too_few(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = draw_images(tmp_path / "one", domains=("photo",))
    message = refused(arguments(root, home, "name=one-domain"), capsys)
    assert "has one domain (photo)" in message and "at least two" in message


def test_an_unknown_target_is_named_beside_the_known(
    images: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(arguments(images, home, "name=unknown-target", "targets=[skech]"), capsys)
    assert "'skech'" in message and ", ".join(DOMAINS) in message


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ("stage2.epochs=4", "stage2.epochs is 3 there and 4 here"),
        ("data.split_seed=2", "data.split_seed is 1 there and 2 here"),
        ("data.duplicates=drop", "data.duplicates is 'keep' there and 'drop' here"),
        ("stage2.clip_norms.g_bias=1e-7", "stage2.clip_norms.g_bias is 5e-08 there and 1e-07 here"),
        ("cache.dtype=float32", "cache.dtype is 'float16' there and 'float32' here"),
    ],
)
def test_a_folder_with_another_configuration_is_refused_by_field(
    images: Path,
    home: Path,
    undisturbed_folder: RunFolder,
    capsys: pytest.CaptureFixture[str],
    changed: str,
    named: str,
) -> None:
    before = undisturbed_folder.config.read_text()
    message = refused(arguments(images, home, "name=undisturbed", changed), capsys)
    assert named in message and str(undisturbed_folder.root) in message and "name=" in message
    assert undisturbed_folder.config.read_text() == before


def test_two_jobs_cannot_write_one_folder(images: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "runs" / "busy"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        message = refused(arguments(images, home, "name=busy"), capsys)
    assert "another job is writing to" in message and "busy" in message


def test_a_class_name_of_too_many_tokens_stops_the_run_before_training(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw_images(tmp_path / "long")
    name = "a_boat_with_many_words_in_its_name_more_than_the_text_tower_has_room_for_by_far"
    for domain in DOMAINS:
        (root / domain / "boat").rename(root / domain / name)
    message = refused(arguments(root, home, "name=long-name"), capsys)
    assert "a boat with many words" in message and "20" in message and "tokens" in message
    assert not list((home / "runs" / "long-name").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("stage1.initial_text=a photo", "stage1: initial_text 'a photo' has 2 tokens, but n_ctx is 4"),
        ("coop.n_ctx=5", "coop: initial_text 'a photo of a' has 4 tokens, but n_ctx is 5"),
        ("prompt_labels=/no/such/folder", "prompt_labels: no folder at /no/such/folder"),
        ("stage2.clip_norms.off_for_targets=[skech]", "off_for_targets names 'skech'"),
        ("targets=[skech]", "'skech'"),
    ],
)
def test_what_is_known_at_once_is_refused_before_any_image_is_encoded(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, named: str
) -> None:
    message = refused([*arguments(images, home, "name=early"), f"cache.root={tmp_path / 'cache'}", given], capsys)
    assert named in message
    assert not (tmp_path / "cache").exists()
    assert not (home / "runs" / "early").exists()


@pytest.mark.parametrize("given", ["targets=[skech]", "stage1.initial_text=a photo"])
def test_a_refused_job_leaves_a_finished_run_as_it_is(
    images: Path, home: Path, undisturbed_folder: RunFolder, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in undisturbed_folder.root.rglob("*") if path.is_file()}

    before = contents()
    refused(arguments(images, home, "name=undisturbed", given), capsys)
    assert contents() == before


@pytest.mark.parametrize("job", [encode, train, evaluate, full_pipeline])
def test_no_job_leaves_a_run_where_the_images_cannot_be_read(
    job: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw_images(tmp_path / "set")
    for path in root.rglob("*.png"):
        path.unlink()
        path.symlink_to("nowhere")
    with pytest.raises(SystemExit) as caught:
        job.main(arguments(root, tmp_path, "name=unread"))
    assert caught.value.code == 1 and "cannot be read" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_run_that_is_not_trained_is_no_run_for_having_been_asked_for(
    images: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        evaluate.main(arguments(images, home, "name=untrained"))
    assert "are not trained" in capsys.readouterr().err
    assert not (home / "runs" / "untrained").exists()


def test_training_that_diverges_names_the_run_and_the_field(
    images: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("name=diverging", "methods=[coop]", "coop.learning_rate=1e38", "coop.schedule.warmup_epochs=0")
    message = refused(arguments(images, home, *settings), capsys)
    assert "coop art seed 1" in message and "coop.learning_rate" in message
