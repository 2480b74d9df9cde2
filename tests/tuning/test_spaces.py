"""Spaces are checked against the configuration's types before anything runs; a point of one is a configuration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tuning_material import a_space

from spg_dist.config import config_class, parse_config
from spg_dist.config.command_line import preset_names as config_presets
from tuning.space_files import load_space, preset_names
from tuning.spaces import Choices, Range, with_values


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("of", ["defaults", "paper-pacs", "paper-domainnet", "as-run-vlcs"])
def test_every_preset_has_the_published_configurations_as_a_point(preset: str, of: str) -> None:
    assert of == "defaults" or of in config_presets()
    config = parse_config([] if of == "defaults" else ["--config", of, "data.root=/data"], "test")
    space = load_space(preset, config)
    assert with_values(config, space.values(space.point_of(config))) == config


def test_the_gan_preset_leaves_stage_1_alone_and_the_prompt_preset_stage_2() -> None:
    branches = {
        preset: {name.split(".")[0] for d in load_space(preset, config_class()()).dimensions for name in d.fields}
        for preset in preset_names()
    }
    assert branches == {"gan": {"stage2"}, "quick": {"stage2"}, "prompt": {"stage1"}, "joint": {"stage1", "stage2"}}


def test_a_preset_leaves_out_what_another_generator_does_not_read() -> None:
    config = parse_config(["stage2.generator=transformer"], "test")
    for preset in preset_names():
        named = {name for d in load_space(preset, config).dimensions for name in d.fields}
        assert not {"stage2.g_widths", "stage2.latent_width"} & named
        assert named == {name for d in load_space(preset, config_class()()).dimensions for name in d.fields} - {
            "stage2.g_widths",
            "stage2.latent_width",
        }


def test_values_have_the_types_of_their_fields(tmp_path: Path) -> None:
    space = a_space(
        tmp_path,
        config_class()(),
        "stage2.batch_size: {low: 8, high: 64}\nstage2.betas: {choices: [[0.5, 0.999]]}\n"
        "stage2.learning_rate: {low: 1e-4, high: 1e-2, log: true}\nstage2.weight_decay: {choices: [0, 1e-2]}",
    )
    whole, betas, rate, decay = (dimension.domain for dimension in space.dimensions)
    assert whole == Range(8, 64, log=False, whole=True)
    assert rate == Range(1e-4, 1e-2, log=True, whole=False)
    assert betas == Choices((((0.9, 0.999),), ((0.5, 0.999),))), "the configuration's own value joins the choices"
    assert decay == Choices(((1e-4,), (0.0,), (0.01,)))


def test_fields_that_change_together_are_set_together(tmp_path: Path) -> None:
    text = 'stage1.n_ctx, stage1.initial_text: {choices: [[4, a photo of a], [8, ""]]}'
    space = a_space(tmp_path, config_class()(), text)
    assert space.values({"stage1.n_ctx, stage1.initial_text": "8, ''"}) == {
        "stage1.n_ctx": 8,
        "stage1.initial_text": "",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage2.learnig_rate: {low: 1e-4, high: 1e-2}", "no field 'stage2.learnig_rate'.*'stage2.learning_rate'"),
        ("stage2: {low: 1, high: 2}", "there is no field 'stage2'"),
        ("clip.model: {choices: [RN50]}", "clip.model cannot be searched"),
        ("stage2.val_images: {choices: [0, 50]}", "stage2.val_images cannot be searched"),
        ("stage2.epochs: [1, 2]", r"expected \{low, high\}"),
        ("stage2.epochs: {low: 10}", r"expected \{low, high\}"),
        ("stage2.epochs: {low: 80, high: 90}", "own value 70 is trial 0"),
        ("stage2.epochs: {low: 60.5, high: 90}", "whole number"),
        ("stage2.dropout: {low: 0.5, high: 0.1}", "low < high"),
        ("stage2.dropout: {low: 0.0, high: 0.5, log: true}", "above 0 for log"),
        ("stage2.dropout: {low: a, high: 0.5}", "expected numbers"),
        ("stage2.g_widths: {low: 1, high: 2}", "no number"),
        ("stage2.epochs: {choices: [70]}", "at least two"),
        ("stage2.epochs: {choices: []}", "expected a list of values"),
        ("stage1.n_ctx, stage1.initial_text: {choices: [[8]]}", "1 values for 2 fields"),
        ("stage2.epochs: {choices: [5]}\nstage2.epochs, stage2.dropout: {choices: [[5, 0.1]]}", "more than once"),
        ("- stage2.epochs", "holds no fields"),
        ("{", "not valid YAML"),
    ],
)
def test_a_mistake_in_a_space_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        a_space(tmp_path, config_class()(), text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage2.batch_size: {choices: [16, x]}", "stage2.batch_size: expected int, got 'x'"),
        ("stage2.batch_size: {low: 0, high: 64}", "stage2.batch_size is 0, expected 2 or more"),
        ("stage2.dropout: {low: 0, high: 1.5}", "stage2.dropout is 1.5"),
        ("stage2.schedule.warmup_kind: {choices: [constat]}", "did you mean 'constant'"),
    ],
)
def test_a_value_that_the_field_cannot_have_is_named_as_on_the_command_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        a_space(tmp_path, config_class()(), text)


def test_an_unknown_preset_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'joint'.*gan, joint, prompt, quick"):
        load_space("jiont", config_class()())
