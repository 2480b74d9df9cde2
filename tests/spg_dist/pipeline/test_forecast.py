"""What many classes cost is said before the training, and is what it then takes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_material import draw_images
from experiment_material import Quiet, arguments, run
from PIL import Image
from torch import Tensor

from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.runs import RunSpec
from spg_dist.pipeline import phases
from spg_dist.pipeline.forecast import MANY_CLASSES, _prompts
from spg_dist.pipeline.prepare import train
from spg_dist.run import runs_of


def test_the_prompts_of_a_run_are_counted_as_they_are_then_encoded(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[bool] = Counter()
    expected: Counter[bool] = Counter()
    encode = PromptEncoder.__call__

    def counting(self: PromptEncoder, context_BPW: Tensor) -> Tensor:
        seen[torch.is_grad_enabled() and context_BPW.requires_grad] += len(context_BPW)
        return encode(self, context_BPW)

    def counted(builder: ExperimentBuilder, specs: list[RunSpec], *others: object) -> None:
        for one in runs_of(builder.config, builder.build(), specs):
            gradients, plain = _prompts(one)
            expected.update({True: gradients, False: plain})
        train(builder, specs, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(PromptEncoder, "__call__", counting)
    monkeypatch.setattr(phases, "train", counted)
    images = draw_images(tmp_path / "set", each=16)
    run(arguments(images, home, "name=counted", "methods=[coop,cocoop,spg]", "targets=[art]", "stage2.val_every=2"))
    assert 0.9 < seen[True] / expected[True] < 1.1
    assert 0.9 < seen[False] / expected[False] < 1.1  # blocks of images are filled up


@pytest.fixture(scope="module")
def many_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, random = tmp_path_factory.mktemp("many") / "set", np.random.default_rng(0)
    for domain in ("art", "photo"):
        for number in range(MANY_CLASSES):
            folder = root / domain / f"thing {number}"
            folder.mkdir(parents=True)
            for i in range(2):
                Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / f"{i}.png")
    return root


def test_many_classes_are_told_what_they_cost_before_the_training(many_classes: Path, tmp_path: Path) -> None:
    display = Quiet()
    settings = ("methods=[zero-shot,coop]", "coop.epochs=1", "targets=[art]", "data.train_share=0.5")
    run(arguments(many_classes, tmp_path, *settings), display)
    said = " ".join(display.text.getvalue().split())
    assert re.search(r"200 classes: every prompt takes 200 texts .* About [\d.]+ s for this run and its test", said)
    assert said.index("About") < said.index("coop art seed 1")


def test_few_classes_cost_nothing_to_speak_of(images: Path, home: Path) -> None:
    display = Quiet()
    run(arguments(images, home, "name=few", "methods=[coop]", "targets=[art]"), display)
    assert "through the text tower" not in display.text.getvalue()
