"""Whole runs with another generator network: trained, resumed, tested, used; refused before any image is encoded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from experiment_material import Interrupted, Outcome, Quiet, StopsAt, arguments, builder, outcome, run, the_run
from safetensors import safe_open

from spg_dist.evaluation.results import read_results
from spg_dist.experiment import runs
from spg_dist.experiment.folder import RunFolder
from spg_dist.generators import GENERATORS
from spg_dist.methods.spg.generator import load_generator, read_generator
from spg_dist.pipeline.prediction import find_images, predict
from spg_dist.pipeline.testing import read_predictions
from spg_dist.training.files import read_tensors, write_tensors

TRANSFORMER = (
    "stage2.generator=transformer",
    "stage2.generator_settings={layers: 2, heads: 4, feed_forward: 32}",
    "stage2.g_widths=[128,256,512,1024]",  # the default: this network has no use for any
    "methods=[spg]",
)
SPG = runs.RunSpec("spg", "art", 1)


@pytest.fixture(scope="module")
def folder(images: Path, home: Path, home_variable: None) -> RunFolder:
    return run(arguments(images, home, "name=transformer", *TRANSFORMER))


@pytest.fixture(scope="module")
def whole(folder: RunFolder) -> Outcome:
    return outcome(folder)


def test_its_file_states_the_network_and_the_shape_of_its_prompts(
    folder: RunFolder, undisturbed_folder: RunFolder
) -> None:
    for made, kind in ((folder, "transformer"), (undisturbed_folder, "mlp")):
        with safe_open(str(made.artifact(SPG)), framework="pt") as stored:
            record = json.loads(stored.metadata()["spg-dist"])
        assert record["network"] == {"generator": kind, "prompt_shape": [4, 64]}


@pytest.mark.parametrize(("target", "epochs"), [("art", 2), ("sketch", 1)])
def test_a_run_stopped_in_its_training_ends_like_an_undisturbed_one(
    images: Path, home: Path, whole: Outcome, target: str, epochs: int
) -> None:
    """Its dropout is drawn from seed and epoch, not from whatever was drawn before the stop."""
    given = arguments(images, home, f"name=stopped-transformer-{target}", *TRANSFORMER)
    with pytest.raises(Interrupted):
        run(given, StopsAt(f"spg {target}", epochs))
    torch.rand(3)
    display = Quiet()
    assert whole.differences(outcome(run(given, display))) == []
    assert f"spg {target} seed 1: resumed at epoch {epochs + 1}" in display.text.getvalue()


def test_what_it_says_of_images_is_what_its_test_said(images: Path, folder: RunFolder) -> None:
    tested = read_predictions(folder.predictions(runs.EvaluationSpec(SPG, "art")))
    found = find_images(images / "art").images
    said = predict(folder, "art", 1, ["spg"], found)
    for place, one in said.said["spg"].items():
        assert said.class_names[one.class_index] == tested[str(found[place].relative_to(images))][1]
        assert one.spread is None, "nothing is random in it: one draw is all there is"
    assert {row.n for row in read_results(folder.results)} == {18}
    assert "none: the generator takes no noise" in folder.summary.read_text()


def test_its_dropout_and_its_settings_make_other_runs(images: Path, home: Path, whole: Outcome) -> None:
    settings = "stage2.generator_settings={layers: 2, heads: 4, feed_forward: 32, dropout: 0.0}"
    other = outcome(run(arguments(images, home, "name=undropped", *TRANSFORMER, settings, "targets=[art]")))
    name = "generators/multi-source-art-seed1.safetensors"
    assert not torch.equal(other.tensors[name]["fc.weight"], whole.tensors[name]["fc.weight"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ("stage2.generator_settings={heads: 5}",),
            "stage2.generator=transformer: heads is 5, expected a divisor",
        ),
        (("stage2.generator_settings={dropout: 1.5}",), "stage2.generator=transformer: the rate of a dropout is 1.5"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_before_any_image_is_encoded(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit):
        run([*arguments(images, tmp_path, "name=early", *TRANSFORMER), *settings])
    assert said in capsys.readouterr().err
    assert not (tmp_path / "cache").exists() and not (tmp_path / "runs").exists()


def test_a_network_with_a_parameter_in_no_group_is_refused_before_any_image_is_encoded(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GENERATORS["transformer"], "groups", lambda self: {"fc.weight": "weight"})
    with pytest.raises(SystemExit):
        run(arguments(images, tmp_path, "name=early", *TRANSFORMER))
    assert re.search(r"stage2\.generator=transformer: .* puts its parameter '\S+' in no group", capsys.readouterr().err)
    assert not (tmp_path / "cache").exists() and not (tmp_path / "runs").exists()


def test_other_settings_in_a_runs_folder_are_refused_by_field(
    images: Path, home: Path, folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    for settings, said in {
        "stage2.generator_settings={layers: 1, heads: 4, feed_forward: 32}": "settings.layers is 2 there and 1 here",
        "stage2.generator_settings={heads: 4, feed_forward: 32}": "settings.layers is 2 there and None here",
    }.items():
        with pytest.raises(SystemExit):
            run([*arguments(images, home, "name=transformer", *TRANSFORMER), settings])
        assert said in capsys.readouterr().err


def test_a_file_of_another_network_is_refused_by_name_and_one_that_states_none_is_the_papers(
    images: Path, home: Path, folder: RunFolder, undisturbed_folder: RunFolder, tmp_path: Path
) -> None:
    spg = the_run(builder(images, home, "undisturbed").build(), SPG)
    given = spg.settings, spg.material.clip, spg.material.tower.width
    with pytest.raises(ValueError, match=r"art-seed1\.safetensors holds a generator 'transformer' .* asks for 'mlp'"):
        read_generator(folder.artifact(SPG), *given)
    tensors, record = read_tensors(undisturbed_folder.artifact(SPG))
    del record["network"]  # as version 0.1.0 wrote it
    write_tensors(tmp_path / "old.safetensors", tensors, record)
    old, new = read_generator(tmp_path / "old.safetensors", *given), load_generator(spg)
    assert old.prompt_shape == new.prompt_shape == (4, 64)
    assert all(torch.equal(tensor, new.state_dict()[name]) for name, tensor in old.state_dict().items())
