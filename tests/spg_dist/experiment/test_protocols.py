"""What each protocol trains on, selects by and tests on, without training anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spg_dist import plan
from spg_dist.config import Config, config_class
from spg_dist.data import DataConfig, ImageRecord, Manifest
from spg_dist.experiment.folder import RunFolder
from spg_dist.protocols import PROTOCOLS

HERE = Manifest("Here", Path("/here"), ("dog", "cat"), ("art", "photo", "sketch"), (ImageRecord("a", 0, 0, "train"),))
THERE = Manifest("There", Path("/there"), ("oak",), ("summer", "winter"), (ImageRecord("b", 0, 0, "val"),))


def asked(protocol: str, **fields: object) -> Config:
    if protocol == "cross-dataset":
        fields["test_data"] = [DataConfig(dataset="folder", root="/there")]
    return config_class()(protocol=protocol, seeds=[1, 2], **fields)  # type: ignore[arg-type]


def planned(config: Config) -> list[tuple[str, str, int | None]]:
    """(where, target, seed) of every test of the first configured method."""
    tests = plan.plan(config, HERE, [THERE]).tests
    return [(t.run.where, t.target, t.run.seed) for t in tests if t.run.method == config.methods[0]]


def trained(config: Config) -> list[tuple[str, str, int | None]]:
    specs = plan.plan(config, HERE, [THERE]).trainings
    return [(spec.method, spec.where, spec.seed) for spec in specs]


def test_multi_source_leaves_each_target_out() -> None:
    config = asked("multi-source", methods=["spg"])
    assert planned(config) == [(d, d, seed) for d in ("art", "photo", "sketch") for seed in (1, 2)]
    protocol = PROTOCOLS["multi-source"]
    assert protocol.sources(HERE, "photo") == ["art", "sketch"]
    assert trained(config) == [
        *(("prompt-label", d, seed) for seed in (1, 2) for d in ("art", "photo", "sketch")),
        *(("spg", d, seed) for seed in (1, 2) for d in ("art", "photo", "sketch")),
    ]


def test_multi_source_with_one_target_trains_no_prompt_label_for_it() -> None:
    config = asked("multi-source", methods=["spg"], targets=["photo"])
    assert [where for method, where, seed in trained(config) if method == "prompt-label" and seed == 1] == [
        "art",
        "sketch",
    ]
    assert planned(config) == [("photo", "photo", 1), ("photo", "photo", 2)]


def test_single_source_trains_on_each_domain_and_tests_on_every_other() -> None:
    config = asked("single-source", methods=["spg"])
    pairs = [("art", "photo"), ("art", "sketch"), ("photo", "art"), ("photo", "sketch")]
    pairs += [("sketch", "art"), ("sketch", "photo")]
    assert planned(config) == [(source, target, seed) for source, target in pairs for seed in (1, 2)]
    assert PROTOCOLS["single-source"].sources(HERE, "photo") == ["photo"]
    assert ("prompt-label", "photo", 1) in trained(config)


def test_single_source_takes_the_sources_and_targets_it_is_given() -> None:
    config = asked("single-source", methods=["spg"], sources=["photo"], targets=["art", "photo"])
    assert planned(config) == [("photo", "art", 1), ("photo", "art", 2)]
    assert {where for _, where, _ in trained(config)} == {"photo"}


def test_a_source_that_no_target_is_left_for_is_not_trained() -> None:
    config = asked("single-source", methods=["spg"], targets=["art"])
    assert {where for _, where, _ in trained(config)} == {"photo", "sketch"}
    with pytest.raises(ValueError, match=r"sources is \['art'\] and targets is \['art'\].*none is left"):
        planned(asked("single-source", methods=["spg"], sources=["art"], targets=["art"]))


def test_cross_dataset_trains_once_on_all_domains_and_tests_on_other_data_sets() -> None:
    config = asked("cross-dataset", methods=["spg"])
    assert planned(config) == [("Here", "There", 1), ("Here", "There", 2)]
    assert PROTOCOLS["cross-dataset"].sources(HERE, "Here") == ["art", "photo", "sketch"]
    labels = [("prompt-label", d, seed) for seed in (1, 2) for d in ("art", "photo", "sketch")]
    assert trained(config) == [*labels, ("spg", "Here", 1), ("spg", "Here", 2)]


def test_one_domain_is_enough_to_train_for_other_data_sets() -> None:
    one = Manifest("One", Path("/one"), ("dog",), ("art",), HERE.images)
    assert plan.plan(asked("cross-dataset", methods=["spg"]), one, [THERE]).tests
    for protocol in ("multi-source", "single-source"):
        with pytest.raises(ValueError, match=r"has one domain \(art\)"):
            plan.plan(asked(protocol, methods=["spg"]), one)


def test_no_data_sets_name_leads_out_of_the_runs_folder(tmp_path: Path) -> None:
    outside = replace(HERE, dataset="../outside")
    tests = plan.plan(asked("cross-dataset", methods=["coop"]), outside, [outside]).tests
    folder = RunFolder(tmp_path / "run")
    files = [folder.predictions(test) for test in tests]
    files += [file(test.run) for test in tests for file in (folder.artifact, folder.checkpoint, folder.tensorboard)]
    assert files and all(file.resolve().is_relative_to(tmp_path / "run") for file in files)


def test_a_method_without_randomness_is_tested_once_for_all_seeds() -> None:
    assert planned(asked("multi-source", methods=["zero-shot"], targets=["art"])) == [("art", "art", None)]


def test_the_linear_probe_is_left_out_where_the_classes_are_others() -> None:
    config = asked("cross-dataset", methods=["linear-probe", "coop"])
    assert {test.run.method for test in plan.plan(config, HERE, [THERE]).tests} == {"coop"}
    assert {method for method, _, _ in trained(config)} == {"coop"}
    assert plan.left_out_methods(config) == ["linear-probe"]
    with pytest.raises(ValueError, match=r"linear-probe knows only the classes it was trained on"):
        planned(asked("cross-dataset", methods=["linear-probe"]))
    assert trained(asked("multi-source", methods=["linear-probe"], targets=["art"])) == [
        ("linear-probe", "art", 1),
        ("linear-probe", "art", 2),
    ]


@pytest.mark.parametrize("protocol", ["multi-source", "single-source"])
def test_an_unknown_domain_is_named_beside_the_known(protocol: str) -> None:
    with pytest.raises(ValueError, match=r"domain 'skech' is not in Here: it has art, photo, sketch"):
        planned(asked(protocol, targets=["skech"]))


def test_test_data_belongs_to_the_cross_dataset_protocol_alone() -> None:
    other = [DataConfig(dataset="folder", root="/there")]
    with pytest.raises(ValueError, match=r"protocol is cross-dataset and test_data names 0 data sets"):
        config_class()(protocol="cross-dataset")
    with pytest.raises(ValueError, match=r"protocol is multi-source and test_data names 1 data sets"):
        config_class()(test_data=other)
    with pytest.raises(ValueError, match=r"selection is oracle, but across data sets the target's classes are others"):
        config_class()(protocol="cross-dataset", test_data=other, selection="oracle")
