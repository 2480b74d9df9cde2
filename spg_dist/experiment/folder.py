"""A run's folder: where its files are, and that it stays one run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cache.durable import write_text
from spg_dist.config import Config, dump_config, load_config
from spg_dist.experiment.one_job import only_job, put_back_if_refused
from spg_dist.experiment.runs import EvaluationSpec, RunSpec
from spg_dist.file_names import file_name
from spg_dist.home import resolve
from spg_dist.methods import method_of, searched_branches

# What no result is meant to depend on: how work is executed, and where things lie. What lies there is compared itself.
PLACES = (
    "execution",
    "clip.device",
    "data.root",
    "data.max_set_aside_share",
    "data.allow_absent_classes",  # what is absent shows in the images
    "cache.root",
    "cache.store",
    "encode.batch_size",
    "encode.shard_rows",
    "encode.threads",
)
# What may differ between two invocations for the same folder: it selects runs or no finished run depends on it (each
# file carries the digest of what it does depend on).
FREE_FIELDS = (*PLACES, "test", "sources", "targets", "test_data", "seeds", "methods", "plugins", "runs", "tune")


@dataclass(frozen=True)
class RunFolder:
    """Paths below `<runs>/<name>`."""

    root: Path

    def artifact(self, spec: RunSpec) -> Path:
        """The finished run of a trained method."""
        method = method_of(spec.method)
        stem = spec.file_stem if method.by_domain else f"{spec.protocol}-{spec.file_stem}"
        return self.root / (method.folder or method.name) / f"{stem}.safetensors"

    def checkpoint(self, spec: RunSpec) -> Path:
        """The state between two epochs; gone once the run is finished."""
        return self.root / "checkpoints" / f"{spec.method}-{spec.file_stem}.safetensors"

    def predictions(self, test: EvaluationSpec) -> Path:
        """Folders, because joined names could be read in two ways: domains may be called `ensemble-art` or `a-on-b`."""
        spec = test.run
        return self.root / "predictions" / spec.method / file_name(test.target) / f"{spec.file_stem}.parquet"

    def tensorboard(self, spec: RunSpec) -> Path:
        return self.root / "tensorboard" / spec.method / spec.file_stem

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def classes(self) -> Path:
        """Class names in label order, a line each: a trained generator is used without its data set."""
        return self.root / "classes.txt"

    @property
    def images(self) -> Path:
        """Where the images of the run lay, a digest of what they were, and one of the CLIP that encoded them."""
        return self.root / "images.json"

    def require_same_images(self, root: Path, content: str, clip: str) -> None:
        """Images that were moved are the same run's; others in another folder are not.

        Arguments:
            content: digest of images, labels and splits.
            clip: digest of the CLIP, which is recorded with them.

        Raises:
            ValueError: the run was trained on others, elsewhere.
        """
        known = self._known_images()
        if known and known["root"] != str(root) and known["content"] != content:
            raise ValueError(
                f"{self.root} holds a run on the images in {known['root']}, and those in {root} are others: "
                f"give this run another name=..., or delete that folder to start over"
            )
        write_text(self.images, json.dumps({"root": str(root), "content": content, "clip": clip}) + "\n")

    @property
    def clip(self) -> str:
        """Digest of the CLIP that the run was last tested with; empty where an earlier version wrote the folder."""
        return self._known_images().get("clip", "")

    def _known_images(self) -> dict[str, str]:
        known: dict[str, str] = json.loads(self.images.read_text(encoding="utf-8")) if self.images.exists() else {}
        return known

    def write_classes(self, names: Sequence[str]) -> None:
        """Line breaks in a name, and the backslashes that mark them, are escaped."""
        escaped = (name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") for name in names)
        write_text(self.classes, "".join(f"{name}\n" for name in escaped))

    def read_classes(self) -> list[str]:
        lines = self.classes.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        return [re.sub(r"\\([nr\\])", lambda found: {"n": "\n", "r": "\r"}.get(found[1], "\\"), line) for line in lines]

    @property
    def results(self) -> Path:
        return self.root / "results.csv"

    @property
    def costs(self) -> Path:
        """What each phase took in each job, a line of JSON each."""
        return self.root / "costs.jsonl"

    @property
    def summary(self) -> Path:
        return self.root / "summary.md"

    @property
    def report(self) -> Path:
        return self.root / "report.html"


@contextmanager
def open_run(config: Config) -> Iterator[RunFolder]:
    """The folder of a run, for one job at a time, with its configuration written into it.

    A job that is refused, or stopped before its work, leaves the folder as it found it, or none.

    Raises:
        ValueError: the folder cannot be made or written, another job is writing to it, or it holds the results of
            another configuration.
        OSError: the disk is full.
    """
    folder = RunFolder(resolve(config.runs) / config.name)
    with (
        only_job(folder.root, "runs=/data/runs"),
        put_back_if_refused(folder.root, (folder.config, folder.classes, folder.images)),
    ):
        check_configuration(folder, config)
        if not config.tune.trials or not folder.config.exists():  # else it holds what the sweep chose
            write_text(folder.config, dump_config(config))
        yield folder


def check_configuration(folder: RunFolder, config: Config) -> None:
    """Raises ValueError where the folder holds the results of another configuration."""
    began = folder.results.exists() or any(folder.root.rglob("*.safetensors"))
    if not folder.config.exists() or not began:
        return  # nothing was trained yet: a mended command may keep its name
    stored = load_config(folder.config.read_text(encoding="utf-8"), str(folder.config))
    # before a run that starts with a sweep, what it searches holds the former sweep's choice
    free = FREE_FIELDS + (searched_branches(config) if config.tune.trials else ())
    differing = sorted(_differences(asdict(stored), asdict(config), "", free))
    if differing:
        shown = "; ".join(differing[:5])
        raise ValueError(
            f"{folder.root} holds a run with another configuration: {shown}. "
            f"Give this run another name=..., or delete that folder to start over"
        )


def _differences(stored: dict[str, Any], asked: dict[str, Any], prefix: str, free: Sequence[str]) -> Iterator[str]:
    for name in {**stored, **asked}:
        path, there, here = f"{prefix}{name}", stored.get(name), asked.get(name)
        if path in free:
            continue
        if isinstance(there, dict) and isinstance(here, dict):
            yield from _differences(there, here, f"{path}.", free)
        elif there != here:
            yield f"{path} is {there!r} there and {here!r} here"
