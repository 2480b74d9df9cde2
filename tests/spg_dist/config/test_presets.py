"""Presets hold the published values, and a stored configuration is the one that ran."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from spg_dist.config import Config, dump_config, load_config, parse_config
from spg_dist.config.command_line import preset_names

DATA_SETS = ("domainnet", "officehome", "pacs", "terraincognita", "vlcs")


def parse(*arguments: str) -> Config:
    return parse_config(list(arguments), "full_pipeline.py")


def preset(name: str) -> Config:
    return parse("--config", name, "data.root=x")


def test_there_are_two_presets_for_each_published_data_set() -> None:
    assert preset_names() == sorted(f"{kind}-{data_set}" for kind in ("as-run", "paper") for data_set in DATA_SETS)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_comes_back_from_its_own_dump(name: str) -> None:
    config = preset(name)
    assert config.data.dataset == name.rsplit("-", 1)[-1]
    assert config.data.root == "x"
    assert (config.clip.model, config.clip.pretrained) == ("ViT-B-16", "openai")
    assert (config.encode.views, config.encode.pixels) == (8, "published")
    assert load_config(dump_config(config), "config.yaml") == config


@pytest.mark.parametrize("name", preset_names())
def test_published_hyperparameters(name: str) -> None:
    """SPG, ECCV 2024, section 4, and the defaults of the published scripts."""
    config = preset(name)
    stage1, stage2 = config.stage1, config.stage2
    assert (stage1.learning_rate, stage1.momentum, stage1.weight_decay) == (2e-3, 0.9, 1e-4)
    assert (stage1.epochs, stage1.batch_size, stage1.n_ctx, stage1.initial_text) == (50, 32, 4, "a photo of a")
    assert (stage2.epochs, stage2.batch_size, stage2.weight_decay) == (70, 32, 1e-4)
    assert tuple(stage2.betas) == (0.9, 0.999)
    slow = name.endswith(("officehome", "domainnet"))
    assert stage2.learning_rate == (2e-4 if slow else 2e-3)
    assert asdict(stage2.schedule) == {"warmup_epochs": 4, "warmup_kind": "linear", "warmup_rate": 1e-5}
    warmup = 4 if name.startswith("as-run") else 1
    assert asdict(stage1.schedule) == {"warmup_epochs": warmup, "warmup_kind": "constant", "warmup_rate": 1e-5}
    for baseline in (config.coop, config.cocoop, config.dpl):
        assert (baseline.n_ctx, baseline.epochs, baseline.batch_size, baseline.learning_rate) == (16, 20, 32, 2e-3)
    assert config.coop.initial_text == config.cocoop.initial_text == ""


@pytest.mark.parametrize("name", preset_names())
def test_only_the_paper_clips_pacs_by_values_of_its_own(name: str) -> None:
    norms = asdict(preset(name).stage2.clip_norms)
    general = {"d_edge": 5, "d_weight": 5e-2, "d_bias": 5e-1, "g_weight": 5e-3, "g_bias_last": 1, "g_bias": 5e-8}
    pacs = {"d_edge": 5, "d_weight": 5e-1, "d_bias": 5e-1, "g_weight": 5e-2, "g_bias_last": 5, "g_bias": 5e-7}
    own = name == "paper-pacs"
    assert norms == (pacs if own else general) | {"off_for_targets": ["cartoon", "photo"] if own else []}


def test_a_command_line_beats_the_preset_wherever_it_stands() -> None:
    for arguments in (["stage2.epochs=3", "--config", "paper-pacs"], ["--config=paper-pacs", "stage2.epochs=3"]):
        config = parse("data.root=x", *arguments)
        assert (config.stage2.clip_norms.d_weight, config.clip.model) == (0.5, "ViT-B-16")
    assert config.stage2.epochs == 3


def test_a_run_of_many_changes_comes_back_from_its_dump() -> None:
    config = parse(
        "name=a-b_c", "targets=[photo,sketch]", "seeds=[5]", "methods=[spg]", "data.name=Meine Bilder: Größe 1",
        "stage2.g_widths=[8,16]", "stage2.betas=[0.5,0.9]", "stage2.clip_norms.g_bias=5e-8", "stage1.initial_text=",
    )  # fmt: skip
    assert config.stage2.g_widths == [8, 16]
    assert config.stage1.initial_text == ""
    assert load_config(dump_config(config), "config.yaml") == config


def test_print_config_is_a_file_that_config_takes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["--config", "paper-pacs", "data.root=/data/PACS", "stage2.epochs=7", "seeds=[4,2]"]
    with pytest.raises(SystemExit) as ended:
        parse(*arguments, "--print-config")
    assert ended.value.code == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
    assert parse("--config", str(tmp_path / "printed.yaml")) == parse(*arguments)
