"""What each method gives to the results table: template texts, generated prompts, predictions on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from drawn_material import CLASSES
from experiment_material import builder, the_run

from spg_dist.evaluation.results import read_results
from spg_dist.experiment import runs
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.material import Material
from spg_dist.methods import METHODS
from spg_dist.methods.spg.generator import generate_prompts, load_generator
from spg_dist.pipeline.testing import read_predictions
from spg_dist.training.loop import read_trained

SPG = RunSpec("spg", "sketch", 1)


@pytest.fixture(scope="module")
def material(undisturbed_folder: RunFolder, images: Path, home: Path) -> Material:
    """The undisturbed run's, with its trained files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPG_HOME", str(home))
        return builder(images, home, "undisturbed").build()


@pytest.mark.parametrize("method", ["zero-shot", "zero-shot-ensemble"])
def test_template_texts_are_the_normalised_mean_of_normalised_texts(material: Material, method: str) -> None:
    model, tokenizer = material.clip.model, open_clip.get_tokenizer("tiny-rn")
    rows = []
    for name in CLASSES:
        texts = [
            F.normalize(model.encode_text(tokenizer([t.format(name)])), dim=-1)[0] for t in METHODS[method].templates
        ]
        rows.append(F.normalize(torch.stack(texts).mean(dim=0), dim=-1))
    torch.testing.assert_close(METHODS[method].texts(material), torch.stack(rows), rtol=0, atol=1e-5)


def test_zero_shot_accuracy_is_that_of_a_plain_loop(material: Material, undisturbed_folder: RunFolder) -> None:
    rows = material.test_rows("sketch")
    texts = METHODS["zero-shot"].texts(material)
    said = [int((texts @ x).argmax()) for x in material.table.features(rows)]
    correct = sum(k == material.manifest.images[i].label for i, k in zip(rows, said, strict=True))
    (row,) = [r for r in read_results(undisturbed_folder.results) if (r.method, r.target) == ("zero-shot", "sketch")]
    assert row.n == len(rows) == 18
    assert row.accuracy == pytest.approx(100 * correct / len(rows))
    test = runs.EvaluationSpec(RunSpec("zero-shot", "sketch", None), "sketch")
    predictions = read_predictions(undisturbed_folder.predictions(test))
    assert [CLASSES.index(predictions[material.manifest.images[i].path][1]) for i in rows] == said


def test_the_loaded_generator_is_the_one_that_was_kept_in_eval_mode(material: Material) -> None:
    generator = load_generator(the_run(material, SPG))
    kept = read_trained(material.folder.artifact(SPG)).weights
    assert not generator.training
    assert generator.prompt_shape == (4, material.tower.width)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in generator.state_dict().items())


def test_spg_predicts_with_each_images_own_prompt(material: Material, undisturbed_folder: RunFolder) -> None:
    """The class with the highest mean probability over the draws, image by image through the plain text path."""
    rows, test = material.test_rows("sketch"), material.core.test
    images, generator = material.images(rows), load_generator(the_run(material, SPG))
    shares_BC = torch.zeros(len(rows), len(CLASSES))
    for draw in range(test.draws):
        prompts = generate_prompts(generator, the_run(material, SPG), images, draw)
        for b, (prompt, x) in enumerate(zip(prompts, images.x_BD, strict=True)):
            texts = F.normalize(material.encoder(4).plain(prompt[None])[0], dim=-1)
            shares_BC[b] += (material.clip.logit_scale * texts @ x).softmax(dim=0)
    said = [CLASSES[k] for k in shares_BC.argmax(dim=1).tolist()]
    predictions = read_predictions(undisturbed_folder.predictions(runs.EvaluationSpec(SPG, "sketch")))
    assert [predictions[material.manifest.images[i].path][1] for i in rows] == said


def test_the_kept_epoch_is_the_first_with_the_best_val_accuracy(material: Material) -> None:
    for spec in (SPG, RunSpec("coop", "art", 1), RunSpec("prompt-label", "photo", 1)):
        run = read_trained(material.folder.artifact(spec))
        accuracies = [epoch["val_accuracy"] for epoch in run.history]
        assert run.best_epoch == int(np.argmax(accuracies))
        assert run.val_accuracy == max(accuracies)
