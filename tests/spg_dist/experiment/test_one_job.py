"""A folder is one job's at a time; a job that is refused, or stopped before its work, leaves no trace of itself."""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
from pathlib import Path

import pytest

from spg_dist.experiment.one_job import only_job, put_back_if_refused

PLACE = "runs=/data/runs"


def refused_job(root: Path, error: BaseException | None = None) -> None:
    """A job that writes what comes before its work, then ends with an error."""
    config = root / "config.yaml"
    with only_job(root, PLACE), put_back_if_refused(root, (config, root / "classes.txt")):
        config.write_text("asked")
        (root / "classes.txt").write_text("car\n")
        raise error or ValueError("refused")


@pytest.mark.parametrize("error", [ValueError("bad field"), OSError("disk full"), KeyboardInterrupt()])
def test_a_refused_job_takes_its_folder_and_the_parents_that_it_made_with_it(
    tmp_path: Path, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        refused_job(tmp_path / "data" / "runs" / "new", error)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_could_not_be_made_leaves_no_parents(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"), only_job(tmp_path / "runs" / ("n" * 300), PLACE):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_is_there_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "config.yaml").write_text("of before")
    (tmp_path / "kept" / "results.csv").write_text("of before")
    (tmp_path / "empty").mkdir()
    for name in ("kept", "empty"):
        with pytest.raises(ValueError, match="refused"):
            refused_job(tmp_path / name)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"config.yaml", "results.csv", ".lock"}
    assert list((tmp_path / "empty").iterdir()) == [], "made by somebody, with rights of its own perhaps"
    assert (tmp_path / "kept" / "config.yaml").read_text() == "of before"


@pytest.mark.parametrize("work", ["checkpoints/spg-art.safetensors", "results.csv"])
@pytest.mark.parametrize("there_before", [True, False])
def test_a_job_that_has_begun_its_work_keeps_everything(tmp_path: Path, work: str, there_before: bool) -> None:
    root, file = tmp_path / "runs" / "begun", tmp_path / "runs" / "begun" / work
    if there_before:
        file.parent.mkdir(parents=True)
        file.write_text("of before")
        (root / "config.yaml").write_text("of before")
    with (
        pytest.raises(KeyboardInterrupt),
        only_job(root, PLACE),
        put_back_if_refused(root, (root / "config.yaml",)),
    ):
        (root / "config.yaml").write_text("asked")
        file.parent.mkdir(exist_ok=True)
        file.write_text("half an epoch")
        raise KeyboardInterrupt
    assert (root / "config.yaml").read_text() == "asked" and file.read_text() == "half an epoch"


def test_a_job_that_ends_well_keeps_its_folder_if_it_wrote_something(tmp_path: Path) -> None:
    with only_job(tmp_path / "probed", PLACE):
        pass
    with only_job(tmp_path / "written", PLACE):
        (tmp_path / "written" / "config.yaml").write_text("asked")
    assert [path.name for path in tmp_path.iterdir()] == ["written"]


def test_a_job_that_is_refused_because_of_another_does_not_touch_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "runs" / "busy"
    with only_job(root, PLACE):
        with pytest.raises(ValueError, match="another job is writing"):
            refused_job(root)
        assert [path.name for path in root.iterdir()] == [".lock"]
        (root / "results.csv").write_text("mine")
    assert {path.name for path in root.iterdir()} == {".lock", "results.csv"}


def test_a_folder_in_which_another_job_left_nothing_but_its_lock_goes_too(tmp_path: Path) -> None:
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / ".lock").touch()
    with pytest.raises(ValueError, match="refused"):
        refused_job(tmp_path / "left")
    assert list(tmp_path.iterdir()) == []


def _come_and_go(
    root: Path, turns: int, inside: multiprocessing.synchronize.Lock, faults: multiprocessing.Queue[str]
) -> None:
    for turn in range(turns):
        try:
            with only_job(root, PLACE):
                if not inside.acquire(block=False):
                    faults.put("two jobs had the folder")
                    continue
                (root / "config.yaml").write_text("mine")
                if (root / "config.yaml").read_text() != "mine":
                    faults.put("another job wrote here")
                (root / "config.yaml").unlink()
                inside.release()
                if turn % 2:
                    raise ValueError("refused")
        except ValueError as error:
            if str(error) != "refused" and "another job is writing" not in str(error):
                faults.put(str(error))
        except BaseException as error:
            faults.put(repr(error))
            raise


def test_jobs_that_come_and_go_never_share_the_folder_nor_lose_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    inside, faults = context.Lock(), context.Queue()
    root = tmp_path / "runs" / "shared"
    jobs = [context.Process(target=_come_and_go, args=(root, 200, inside, faults)) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    assert [job.exitcode for job in jobs] == [0] * 4
    assert faults.empty(), [faults.get() for _ in range(faults.qsize())]
