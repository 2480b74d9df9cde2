"""What stands beside the published figures: the counts are the product's own, and the totals are sums of the parts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import reference_cost
from benchmarks.pacs_size import pacs_size_config, pacs_size_experiment
from benchmarks.part_costs import PartCosts, needed_operations
from spg_dist.clip import frozen_linear
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.material import Material
from spg_dist.plan import plan

COSTS = PartCosts(
    stage1_epoch=7.2,
    stage2_epoch=3600 / 70,
    val_image=0.01,
    encode_image=0.036,
    val_bound=0.005,
    plain_image=0.5,
    plain_stage1_step=3.0,
    plain_encodings=4.4,
    gigaflops=300,
)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("pacs-size")
    config = pacs_size_config(folder, epochs=1, threads=1, device="cpu")
    config = replace(config, clip=ClipConfig("tiny-rn", "random", device="cpu"))
    return pacs_size_experiment(folder, config)


def test_steps_and_images_are_those_of_the_four_targets(material: Material) -> None:
    config, manifest, table = material.core, material.manifest, material.table
    targets = [spec.where for spec in plan(config, manifest).stage2]
    steps = {
        target: len(table.manifest.rows(material.sources(target), {"train"}, keep_left_out=False)) for target in targets
    }
    assert sum(count // 32 for count in steps.values()) == reference_cost.STAGE2_STEPS == 653
    domains = [manifest.domain_index(spec.where) for spec in plan(config, manifest).stage1]
    assert sum(len(table.manifest.rows({k}, {"train"})) // 32 for k in domains) == reference_cost.STAGE1_STEPS == 216
    assert sum(len(material.selection_rows(where, False)) for where in targets) == reference_cost.VAL_IMAGES == 9000
    tested = sum(len(material.test_rows(test.target)) for test in plan(config, manifest).tests)
    assert tested == reference_cost.TEST_IMAGES == 9990


def test_totals_are_the_parts_times_how_often_they_happen() -> None:
    ours = reference_cost.Totals(COSTS)
    assert ours.stage1 == pytest.approx(0.1) and ours.stage2 == pytest.approx(1.0)
    assert ours.val == pytest.approx(1.75) and ours.encode == pytest.approx(0.09991)
    assert ours.whole - ours.warm == pytest.approx(ours.encode)
    training, whole, warm, *_ = reference_cost.claims_of(COSTS)
    assert training.ratio == pytest.approx((3.05 * 216 * 50 / 3600 + 114) / 1.1) and training.met is False
    assert whole.ratio == pytest.approx(216 / ours.whole) and whole.met and warm.met


def test_the_page_shows_every_part_and_says_that_it_estimates() -> None:
    page = reference_cost.page(COSTS)
    assert "an estimate, not a run to the end" in page and "173 + 167 + 181 + 132 = 653" in page
    assert "| stage 2, step of 32 images | 653 × 70 epochs | 9.20 s | 114.0 h | 78.8 ms | 1.0 h | 114 |" in page
    assert "| val, an image | 0.50 s | 10.0 ms | 50 |" in page
    assert "runs at 50% of that bound" in page


def test_the_bound_is_below_what_the_encoder_computes_and_of_its_size(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen_linear, "has_kernels", lambda weight_OI: False)  # the counter knows torch's own only
    # a new tower: the layers of the experiment's are laid out for the kernels
    encoder = PromptEncoder(replace(material.tower), material.encoder(4).classes)
    prompt_1PW = torch.zeros(1, 4, material.tower.width)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(prompt_1PW)
    counted = counter.get_total_flops()
    assert 0.5 * counted < needed_operations(encoder) <= counted
