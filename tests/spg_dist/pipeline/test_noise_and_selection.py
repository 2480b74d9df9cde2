"""The noise of the test (draws, zero, averaged) and the three rules that choose an epoch."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from experiment_material import Outcome, arguments, builder, outcome, run, the_run

from spg_dist.evaluation.prediction import Predicted, classify
from spg_dist.evaluation.results import ResultRow, read_results
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.material import Material
from spg_dist.methods.spg.generator import generate_prompts, load_generator, spg_predictor
from spg_dist.pipeline import testing
from spg_dist.training.loop import read_trained

SPG = RunSpec("spg", "sketch", 1)


@pytest.fixture
def trained(undisturbed_folder: RunFolder, images: Path, home: Path) -> Material:
    """The undisturbed run's experiment, whose test settings a test may change."""
    return builder(images, home, "undisturbed").build()


def with_test(material: Material, **settings: Any) -> None:
    material.core = replace(material.core, test=replace(material.core.test, **settings))


def accuracies(material: Material) -> list[float]:
    """Of each draw, image by image through the plain text path."""
    rows, generator = material.test_rows("sketch"), load_generator(the_run(material, SPG))
    found = []
    for draw in range(material.core.test.draws):
        correct = 0
        prompts_BPW = generate_prompts(generator, the_run(material, SPG), material.images(rows), draw)
        for i, prompt_PW, x_D in zip(rows, prompts_BPW, material.table.features(rows), strict=True):
            texts_CD = torch.nn.functional.normalize(material.encoder(4).plain(prompt_PW[None])[0], dim=-1)
            correct += int((texts_CD @ x_D).argmax()) == material.manifest.images[i].label
        found.append(100 * correct / len(rows))
    return found


def test_the_accuracy_is_the_mean_over_draws_and_their_spread_is_kept(trained: Material) -> None:
    with_test(trained, draws=4)
    expected = accuracies(trained)
    tested = testing.test_run(the_run(trained, SPG), "sketch")
    assert tested.accuracy == pytest.approx(statistics.fmean(expected))
    assert tested.noise_std == pytest.approx(statistics.stdev(expected))


def said_of_sketches(material: Material) -> list[Predicted]:
    return classify(spg_predictor(the_run(material, SPG)), material.images(material.test_rows("sketch")))


def test_draws_differ_and_more_of_them_change_none_of_the_first(trained: Material) -> None:
    images, generator = trained.images(trained.test_rows("sketch")), load_generator(the_run(trained, SPG))
    first, second = (generate_prompts(generator, the_run(trained, SPG), images, draw) for draw in (0, 1))
    assert not torch.equal(first, second)
    few = said_of_sketches(trained)
    with_test(trained, draws=5)
    assert [one.by_draw[:3] for one in said_of_sketches(trained)] == [one.by_draw for one in few]


def test_zero_noise_is_one_draw_without_a_spread(trained: Material) -> None:
    with_test(trained, noise="zero")
    images, generator = trained.images(trained.test_rows("sketch")), load_generator(the_run(trained, SPG))
    expected = generator(torch.zeros(len(images), generator.noise_width), images.x_BD)
    torch.testing.assert_close(generate_prompts(generator, the_run(trained, SPG), images), expected)
    assert {(len(one.by_draw), one.spread) for one in said_of_sketches(trained)} == {(1, None)}
    assert testing.test_run(the_run(trained, SPG), "sketch").noise_std is None


def test_averaging_takes_the_class_of_the_highest_mean_probability(trained: Material) -> None:
    with_test(trained, average=True, draws=3)
    rows, generator = trained.test_rows("sketch"), load_generator(the_run(trained, SPG))
    images = trained.images(rows)
    drawn = [generate_prompts(generator, the_run(trained, SPG), images, draw) for draw in range(3)]
    said, correct = said_of_sketches(trained), 0
    for b, (row, x_D) in enumerate(zip(rows, images.x_BD, strict=True)):
        shares = []
        for prompts_BPW in drawn:
            texts_CD = torch.nn.functional.normalize(trained.encoder(4).plain(prompts_BPW[b : b + 1])[0], dim=-1)
            shares.append((trained.clip.logit_scale * texts_CD @ x_D).softmax(dim=0))
        shares_KC = torch.stack(shares)
        k = int(shares_KC.mean(dim=0).argmax())
        assert said[b].class_index == k
        assert said[b].probability == pytest.approx(float(shares_KC[:, k].mean()), abs=1e-5)
        assert said[b].spread == pytest.approx(float(shares_KC[:, k].std()), abs=1e-5)
        assert said[b].by_draw == tuple(shares_KC.argmax(dim=1).tolist())
        correct += k == trained.manifest.images[row].label
    tested = testing.test_run(the_run(trained, SPG), "sketch")
    assert (tested.accuracy, tested.noise_std) == (pytest.approx(100 * correct / len(rows)), None)


def spg_rows(folder: RunFolder) -> list[ResultRow]:
    return [row for row in read_results(folder.results) if row.method == "spg"]


@pytest.mark.parametrize(
    ("settings", "spread", "said"),
    [
        (("test.draws=3",), True, "mean accuracy over 3 draws per test image; standard deviation over draws"),
        (("test.draws=1",), False, "1 draw per test image"),
        (("test.noise=zero",), False, "z = 0"),
        (("test.draws=2", "test.average=true"), False, "class probabilities averaged over 2 draws per test image"),
    ],
    ids=["three draws", "one draw", "zero", "averaged"],
)
def test_the_table_holds_the_spread_and_the_summary_names_the_noise(
    images: Path, home: Path, settings: tuple[str, ...], spread: bool, said: str
) -> None:
    """All in one folder: how it is tested changes nothing that was trained."""
    folder = run(arguments(images, home, "name=noises", "targets=[art]", "methods=[spg,coop]", *settings))
    assert {row.noise_std is not None for row in spg_rows(folder)} == {spread}
    assert all(row.noise_std is None for row in read_results(folder.results) if row.method != "spg")
    assert said in folder.summary.read_text()


def chosen(folder: RunFolder) -> list[tuple[int, list[float]]]:
    """Best epoch and val accuracies of the generator and of CoOp's prompt of one run."""
    runs_there = [read_trained(folder.artifact(RunSpec(method, "sketch", 1))) for method in ("spg", "coop")]
    return [(run_.best_epoch, [epoch["val_accuracy"] for epoch in run_.history]) for run_ in runs_there]


@pytest.fixture(scope="module")
def by_rule(images: Path, home: Path) -> dict[str, RunFolder]:
    settings = ("targets=[sketch]", "methods=[spg,coop]")
    rules = ("last", "oracle")
    return {r: run(arguments(images, home, f"name=rule-{r}", f"selection={r}", *settings)) for r in rules}


def test_the_last_rule_keeps_the_last_epoch(by_rule: dict[str, RunFolder], undisturbed: Outcome) -> None:
    for best_epoch, accuracies_ in chosen(by_rule["last"]):
        assert best_epoch == len(accuracies_) - 1
    assert "last epoch" in by_rule["last"].summary.read_text()


def test_a_prompt_label_is_its_own_domains_best_under_every_rule(
    by_rule: dict[str, RunFolder], undisturbed: Outcome
) -> None:
    for folder in by_rule.values():
        for name, tensors in outcome(folder).tensors.items():
            if name.startswith("prompt_labels/"):
                assert torch.equal(tensors["prompt"], undisturbed.tensors[name]["prompt"])


def test_the_oracle_selects_by_the_targets_val_split_and_is_marked(
    by_rule: dict[str, RunFolder], images: Path, home: Path
) -> None:
    for best_epoch, accuracies_ in chosen(by_rule["oracle"]):
        assert accuracies_[best_epoch] == max(accuracies_)
    material = builder(images, home, "rule-oracle", "selection=oracle", "targets=[sketch]").build()
    rows = [material.manifest.images[i] for i in material.selection_rows("sketch", keep_left_out=False)]
    assert {material.manifest.domains[image.domain] for image in rows} == {"sketch"}
    assert {image.split for image in rows} == {"val"}
    assert "ORACLE" in by_rule["oracle"].summary.read_text()
    notes = {row.note.split("; ")[0] for row in read_results(by_rule["oracle"].results)}
    assert notes == {"oracle: selected on the target's val split"}


def test_single_source_oracle_selects_on_all_its_targets(images: Path, home: Path) -> None:
    settings = ("selection=oracle", "protocol=single-source", "targets=[art,photo]")
    material = builder(images, home, "rule-single", *settings).build()
    rows = [material.manifest.images[i] for i in material.selection_rows("photo", keep_left_out=False)]
    assert {material.manifest.domains[image.domain] for image in rows} == {"art"}
    rows = [material.manifest.images[i] for i in material.selection_rows("sketch", keep_left_out=False)]
    assert {material.manifest.domains[image.domain] for image in rows} == {"art", "photo"}


def test_another_rule_needs_another_folder(
    images: Path, home: Path, undisturbed_folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(arguments(images, home, "name=undisturbed", "selection=last"))
    assert "selection is 'source-val' there and 'last' here" in capsys.readouterr().err
