"""A method of one's own in one file: in --help, through the pipeline, in predict.py; and as it says it computes."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_material import CLASSES, draw_images
from experiment_material import Interrupted, Quiet, arguments, builder, run, the_run

from cache.extensions import forget_plugins, load_plugins
from jobs import predict
from spg_dist.config import dump_config, load_config, parse_config
from spg_dist.evaluation.results import read_results
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods import METHODS, Method
from spg_dist.testing.methods import MethodContract
from spg_dist.training.loop import read_trained

EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples" / "nearest_mean.py")


class TestNearestMean(MethodContract):
    @pytest.fixture
    def method(self) -> Method[Any]:
        load_plugins([EXAMPLE])
        return METHODS["nearest-mean"]


PLUGGED = (f"plugins=[{EXAMPLE}]", "methods=[zero-shot,nearest-mean]")
SPEC = RunSpec("nearest-mean", "sketch", None)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw_images(tmp_path / "set", each=6)


def test_its_settings_stand_in_the_help_next_to_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_config([PLUGGED[0], "--help"], "test")
    said = capsys.readouterr().out
    assert "--nearest_mean.shrink" in said and "How far each class's mean is drawn" in said
    assert "--stage2.epochs" in said


def test_it_is_unknown_where_its_file_is_not_given() -> None:
    for given in ("methods=[nearest-mean]", "nearest_mean.shrink=0.1"):
        with pytest.raises(SystemExit):
            parse_config([given], "test")


def test_it_trains_is_tested_found_finished_and_predicts(images: Path, home: Path) -> None:
    given = arguments(images, home, "name=means", *PLUGGED)
    folder = run(given)
    rows = [row for row in read_results(folder.results) if row.method == "nearest-mean"]
    assert {(row.target, row.seed, row.n) for row in rows} == {(name, None, 18) for name in ("art", "photo", "sketch")}
    assert "Nearest class mean" in folder.summary.read_text(encoding="utf-8")
    display = Quiet()
    run(given, display)
    assert "3 runs, 3 of them finished before" in display.text.getvalue()
    forget_plugins()
    with pytest.raises(ValueError, match=r"was made with plugins=.*nearest_mean\.py.*if you trust them"):
        predict.main(str(folder.root), str(images / "sketch"), "sketch", output=str(home / "said.csv"))
    predict.main(str(folder.root), str(images / "sketch"), "sketch", output=str(home / "said.csv"), plugins=[EXAMPLE])
    with (home / "said.csv").open(encoding="utf-8") as file:
        said = [row["predicted"] for row in csv.DictReader(file) if row["method"] == "nearest-mean"]
    assert len(said) == 18 and set(said) <= set(CLASSES)


def test_its_means_are_those_of_a_plain_loop(images: Path, home: Path) -> None:
    material = builder(images, home, "loop", *PLUGGED, "nearest_mean.shrink=0.25").build()
    run_ = the_run(material, SPEC)
    x_ND, label_N = (tensor.double().numpy() for tensor in run_.labelled(run_.train_rows))
    found = run_.method.training(run_).weights()["mean_CD"].double().numpy()
    for k, mean_D in enumerate(found):
        expected = 0.75 * x_ND[label_N == k].mean(axis=0) + 0.25 * x_ND.mean(axis=0)
        np.testing.assert_allclose(mean_D, expected / np.linalg.norm(expected), atol=1e-6)


def test_a_killed_job_ends_as_an_undisturbed_one(images: Path, home: Path) -> None:
    class Killed(Quiet):
        def epoch_done(self, run: str, epoch: int, metrics: dict[str, float]) -> None:
            super().epoch_done(run, epoch, metrics)
            if run == "nearest-mean photo":
                raise Interrupted(run)

    whole = run(arguments(images, home, "name=whole", *PLUGGED))
    given = arguments(images, home, "name=killed", *PLUGGED)
    with pytest.raises(Interrupted):
        run(given, Killed())
    killed = run(given)
    for target in ("art", "photo", "sketch"):
        spec = RunSpec("nearest-mean", target, None)
        one, other = (read_trained(folder.artifact(spec)) for folder in (whole, killed))
        assert one.identity == other.identity and bool((one.weights["mean_CD"] == other.weights["mean_CD"]).all())


def test_across_data_sets_it_is_left_out_for_it_reads_no_class_names(images: Path, home: Path) -> None:
    other = draw_images(home / "other", each=6)
    display = Quiet()
    folder = run(
        arguments(
            images,
            home,
            "name=across",
            *PLUGGED,
            "protocol=cross-dataset",
            f"test_data=[{{dataset: folder, root: {other}, name: other}}]",
        ),
        display,
    )
    assert "nearest-mean: left out" in display.text.getvalue()
    assert {row.method for row in read_results(folder.results)} == {"zero-shot"}


def test_a_setting_out_of_range_is_one_error_with_its_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_config([*PLUGGED, "nearest_mean.shrink=2"], "test")
    assert "nearest_mean.shrink is 2.0, expected a number from 0 to below 1" in capsys.readouterr().err


def test_plugins_of_a_configuration_file_are_read_before_its_other_fields(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"plugins: [{EXAMPLE}]\nmethods: [nearest-mean]\nnearest_mean: {{shrink: 0.5}}\n")
    config = parse_config(["--config", str(file)], "test")
    assert config.methods == ["nearest-mean"] and config.nearest_mean.shrink == 0.5  # type: ignore[attr-defined]
    assert load_config(dump_config(config), "config.yaml") == config


def test_a_configuration_takes_its_plugin_along_to_another_process(tmp_path: Path) -> None:
    sender = "import pickle, sys; from spg_dist.config import parse_config\n"
    sender += "sys.stdout.buffer.write(pickle.dumps(parse_config(sys.argv[1:], 'test')))"
    moved = tmp_path / "nearest_mean.py"
    moved.write_bytes(Path(EXAMPLE).read_bytes())
    given = [f"plugins=[{moved}]", "methods=[nearest-mean]", "nearest_mean.shrink=0.5"]
    sent = subprocess.run([sys.executable, "-c", sender, *given], capture_output=True, check=True).stdout
    moved.unlink()
    taker = "import pickle, sys; config = pickle.load(sys.stdin.buffer); print(config.methods, config.nearest_mean)"
    said = subprocess.run([sys.executable, "-c", taker], input=sent, capture_output=True, check=True).stdout.decode()
    assert said.strip() == "['nearest-mean'] NearestMeanConfig(shrink=0.5)"


def test_two_runs_with_and_without_it_have_the_same_identities(images: Path, home: Path) -> None:
    """A plugin that is there changes nothing of other methods' runs."""
    plain = builder(images, home, "plain", "methods=[coop]").build()
    before = the_run(plain, RunSpec("coop", "sketch", 1)).identity.digest
    load_plugins([EXAMPLE])
    plugged = builder(images, home, "plugged", "methods=[coop]").build()
    assert the_run(plugged, RunSpec("coop", "sketch", 1)).identity.digest == before
