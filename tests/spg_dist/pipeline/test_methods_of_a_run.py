"""What each method gives to the results table: template texts, generated prompts, predictions on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from drawn_material import CLASSES
from experiment_material import builder

from spg_dist.evaluation.results import read_results
from spg_dist.experiment import runs
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.spg import generate_prompts, load_generator
from spg_dist.methods.zero_shot import TEMPLATES, template_texts
from spg_dist.pipeline.testing import read_predictions
from spg_dist.training.loop import read_trained

SPG = RunSpec("spg", "sketch", 1)


@pytest.fixture(scope="module")
def experiment(undisturbed_folder: RunFolder, images: Path, home: Path) -> Experiment:
    """The undisturbed run's, with its trained files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPG_HOME", str(home))
        return builder(images, home, "undisturbed").build()


@pytest.mark.parametrize("method", sorted(TEMPLATES))
def test_template_texts_are_the_normalised_mean_of_normalised_texts(experiment: Experiment, method: str) -> None:
    model, tokenizer = experiment.clip.model, open_clip.get_tokenizer("tiny-rn")
    rows = []
    for name in CLASSES:
        texts = [F.normalize(model.encode_text(tokenizer([t.format(name)])), dim=-1)[0] for t in TEMPLATES[method]]
        rows.append(F.normalize(torch.stack(texts).mean(dim=0), dim=-1))
    torch.testing.assert_close(template_texts(experiment, method), torch.stack(rows), rtol=0, atol=1e-5)


def test_zero_shot_accuracy_is_that_of_a_plain_loop(experiment: Experiment, undisturbed_folder: RunFolder) -> None:
    rows = experiment.test_rows("sketch")
    texts = template_texts(experiment, "zero-shot")
    said = [int((texts @ x).argmax()) for x in experiment.table.features(rows)]
    correct = sum(k == experiment.manifest.images[i].label for i, k in zip(rows, said, strict=True))
    (row,) = [r for r in read_results(undisturbed_folder.results) if (r.method, r.target) == ("zero-shot", "sketch")]
    assert row.n == len(rows) == 18
    assert row.accuracy == pytest.approx(100 * correct / len(rows))
    test = runs.TestSpec(RunSpec("zero-shot", "sketch", None), "sketch")
    predictions = read_predictions(undisturbed_folder.predictions(test))
    assert [CLASSES.index(predictions[experiment.manifest.images[i].path][1]) for i in rows] == said


def test_the_loaded_generator_is_the_one_that_was_kept_in_eval_mode(experiment: Experiment) -> None:
    generator = load_generator(experiment, SPG)
    kept = read_trained(experiment.folder.artifact(SPG)).weights
    assert not generator.training
    assert generator.prompt_shape == (4, experiment.tower.width)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in generator.state_dict().items())


def test_spg_predicts_with_each_images_own_prompt(experiment: Experiment, undisturbed_folder: RunFolder) -> None:
    """The class with the highest mean probability over the draws, image by image through the plain text path."""
    rows, test = experiment.test_rows("sketch"), experiment.config.test
    images, generator = experiment.images(rows), load_generator(experiment, SPG)
    shares_BC = torch.zeros(len(rows), len(CLASSES))
    for draw in range(test.draws):
        prompts = generate_prompts(generator, SPG, images, test, draw)
        for b, (prompt, x) in enumerate(zip(prompts, images.x_BD, strict=True)):
            texts = F.normalize(experiment.encoder(4).plain(prompt[None])[0], dim=-1)
            shares_BC[b] += (experiment.clip.logit_scale * texts @ x).softmax(dim=0)
    said = [CLASSES[k] for k in shares_BC.argmax(dim=1).tolist()]
    predictions = read_predictions(undisturbed_folder.predictions(runs.TestSpec(SPG, "sketch")))
    assert [predictions[experiment.manifest.images[i].path][1] for i in rows] == said


def test_the_kept_epoch_is_the_first_with_the_best_val_accuracy(experiment: Experiment) -> None:
    for spec in (SPG, RunSpec("coop", "art", 1), RunSpec("prompt-label", "photo", 1)):
        run = read_trained(experiment.folder.artifact(spec))
        accuracies = [epoch["val_accuracy"] for epoch in run.history]
        assert run.best_epoch == int(np.argmax(accuracies))
        assert run.val_accuracy == max(accuracies)
