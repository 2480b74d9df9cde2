"""Relative paths lead to a place that outlives a job."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from spg_dist.home import home, in_ray_job, resolve

JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


class Installed:
    """A distribution as PEP 610 records it; None = it has no record."""

    def __init__(self, record: object) -> None:
        self.record = record

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self.record is None else json.dumps(self.record)


@pytest.fixture(autouse=True)
def plain_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SPG_HOME", raising=False)
    monkeypatch.delenv(JOB, raising=False)
    monkeypatch.chdir(tmp_path)


def installed(monkeypatch: pytest.MonkeyPatch, record: object) -> None:
    monkeypatch.setenv(JOB, "{}")
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(record))


def test_paths_are_relative_to_the_current_folder_by_default(tmp_path: Path) -> None:
    assert not in_ray_job()
    assert home() == tmp_path
    assert resolve("runs/demo") == tmp_path / "runs" / "demo"
    assert resolve("../x") == tmp_path.parent / "x"


def test_absolute_and_user_paths_need_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, None)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert resolve("/data/PACS") == Path("/data/PACS")
    assert resolve("~/PACS") == tmp_path / "me" / "PACS"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("s3://bucket/runs", "only cache.root may be a URI"),
        ("s3:/bucket", "no path"),
        ("~nobody-here/x", "nobody-here"),
    ],
)
def test_what_is_no_path_of_this_machine_is_refused_and_not_made_a_folder(path: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        resolve(path)


def test_spg_home_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, {"url": "file:///elsewhere", "dir_info": {"editable": True}})
    monkeypatch.setenv("SPG_HOME", "shared storage")
    assert home() == tmp_path / "shared storage"
    assert resolve("runs") == tmp_path / "shared storage" / "runs"
    monkeypatch.setenv("SPG_HOME", "~/x")
    monkeypatch.setenv("HOME", "/home/me")
    assert home() == Path("/home/me/x")


def test_a_job_writes_into_the_editable_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its own current folder is a copy that is deleted with the job."""
    installed(monkeypatch, {"url": "file:///home/me/my%20spg%2Bdist", "dir_info": {"editable": True}})
    assert in_ray_job()
    assert resolve("runs") == Path("/home/me/my spg+dist/runs")


@pytest.mark.parametrize(
    "record",
    [
        None,
        {"url": "file:///home/me/spg-dist", "dir_info": {}},
        {"url": "file:///home/me/spg-dist"},
        {"url": "git+ssh://host/spg-dist", "vcs_info": {}},
    ],
    ids=["no record", "not editable", "no directory", "from a repository"],
)
def test_a_job_without_a_checkout_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, record: object) -> None:
    installed(monkeypatch, record)
    with pytest.raises(ValueError, match=r"give absolute paths, or set SPG_HOME, e\.g\. ray job submit .*env_vars"):
        resolve("runs")


def test_a_job_whose_package_is_not_installed_is_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    installed(monkeypatch, None)
    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(ValueError, match="set SPG_HOME"):
        home()
