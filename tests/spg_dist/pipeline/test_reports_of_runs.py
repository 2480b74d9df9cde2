"""What a run's files say of it: its own results only, images and splits as they are, and what must be known first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from drawn_material import draw_images
from experiment_material import Quiet, arguments, run

from spg_dist.evaluation.results import read_results
from spg_dist.experiment import runs as specs
from spg_dist.experiment.folder import RunFolder
from spg_dist.pipeline.report_figures import shown_tests


@pytest.fixture(scope="module")
def single_source(images: Path, home: Path) -> RunFolder:
    settings = ("protocol=single-source", "methods=[zero-shot,spg]", "seeds=[1,2]", "selection=last")
    return run(arguments(images, home, "name=single-reported", *settings))


@pytest.fixture(scope="module")
def cross_dataset(images: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    other = draw_images(tmp_path_factory.mktemp("drawn") / "elsewhere", ("cartoon", "photo"), ("cat", "fish"), each=5)
    across = (
        "protocol=cross-dataset",
        "data.name=Here",
        f"test_data=[{{dataset: folder, root: {other}, name: There}}]",
    )
    return run(
        arguments(images, home, "name=cross-reported", *across, "methods=[zero-shot,linear-probe,coop,cocoop,dpl,spg]")
    )


def page_text(folder: RunFolder) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", folder.report.read_text()).split())


def test_a_rerun_with_less_keeps_its_own_results_and_says_what_left(images: Path, home: Path) -> None:
    given = arguments(images, home, "name=less", "targets=[photo,sketch]")
    run([*given, "methods=[zero-shot,coop,spg]", "seeds=[1,2]"])
    display = Quiet()
    folder = run([*given, "methods=[zero-shot,spg]", "seeds=[2]"], display)
    rows = read_results(folder.results)
    assert {(row.method, row.seed) for row in rows} == {("zero-shot", None), ("spg", 2)}
    said = " ".join(display.text.getvalue().split())
    assert "results.csv: 6 rows of an earlier configuration of this folder left it (method coop; seed 1)." in said
    assert (folder.root / "coop" / "multi-source-photo-seed1.safetensors").exists()


def test_the_same_command_again_says_nothing_of_rows_that_left(
    single_source: RunFolder, images: Path, home: Path
) -> None:
    display = Quiet()
    settings = ("protocol=single-source", "methods=[zero-shot,spg]", "seeds=[1,2]", "selection=last")
    run(arguments(images, home, "name=single-reported", *settings), display)
    assert "left it" not in display.text.getvalue()


def test_a_method_has_one_key_in_every_file_and_one_label_on_every_page(cross_dataset: RunFolder) -> None:
    methods = {"zero-shot", "coop", "cocoop", "dpl", "spg"}
    trained = methods - {"zero-shot"} | {"prompt-label"}
    assert {row.method for row in read_results(cross_dataset.results)} == methods
    assert {path.name for path in (cross_dataset.root / "tensorboard").iterdir()} == trained
    assert {path.name for path in (cross_dataset.root / "predictions").iterdir()} == methods
    text = page_text(cross_dataset)
    for method, label in (("coop", "CoOp"), ("cocoop", "CoCoOp"), ("dpl", "DPL"), ("zero-shot", "Zero-shot CLIP")):
        assert (cross_dataset.root / method).is_dir() or method == "zero-shot"
        assert re.search(rf"^\| {label} +\|", cross_dataset.summary.read_text(), flags=re.MULTILINE)
        assert label in text
    for former in ("Pooled", "erm ", "stage1 ", "stage2 "):
        assert former not in text.partition("Configuration")[0]


def test_rows_under_a_methods_former_name_do_not_leave_the_results(images: Path, home: Path) -> None:
    given = arguments(images, home, "name=former-name", "targets=[photo]", "methods=[coop]")
    folder = run(given)
    folder.results.write_text(re.sub(r",coop,(.*),[^,]*unlike[^,]*,", r",erm,\1,,", folder.results.read_text()))
    assert ",erm," in folder.results.read_text() and "unlike" not in folder.results.read_text()
    display = Quiet()
    run(given, display)
    assert not re.search("left it|could not be read", display.text.getvalue())
    ((method, note),) = {(row.method, row.note) for row in read_results(folder.results)}
    assert (method, note) == ("coop", "4 context tokens (unlike the paper's CoOp with 16)")


def test_targets_stand_in_the_order_of_the_domains_whatever_the_sources(single_source: RunFolder) -> None:
    summary = single_source.summary.read_text()
    assert re.search(r"\| Method +\| +art \| +photo \| +sketch \| +Average \|", summary)
    by_source = summary[summary.index("SPG by source") :]
    assert re.findall(r"^\| (\w+) ", by_source, flags=re.MULTILINE) == ["Trained", "art", "photo", "sketch"]


def test_samples_of_a_single_source_run_say_where_their_methods_were_trained(single_source: RunFolder) -> None:
    text = page_text(single_source)
    assert "art, methods trained on photo" in text
    assert "photo, methods trained on art" in text


def test_samples_show_one_test_of_each_method_all_of_one_source() -> None:
    def spec(method: str, source: str, seed: int | None) -> specs.EvaluationSpec:
        return specs.EvaluationSpec(specs.RunSpec(method, source, seed, "single-source"), "art")

    runs = [spec("spg", source, seed) for source in ("photo", "sketch") for seed in (1, 2)]
    untrained = [spec("zero-shot", source, None) for source in ("photo", "sketch")]
    assert shown_tests(runs + untrained, seed=2) == [runs[1], untrained[0]]


def test_what_a_single_source_generator_never_saw_is_all_but_its_source(single_source: RunFolder) -> None:
    assert "Unseen in training: photo, sketch · " in page_text(single_source)


def test_what_a_generator_of_another_data_set_never_saw_is_that_data_set(cross_dataset: RunFolder) -> None:
    assert "Unseen in training: There · " in page_text(cross_dataset)


def test_across_data_sets_the_images_of_the_test_are_counted_too(cross_dataset: RunFolder) -> None:
    assert "- Images: 54 of Here to train on; tested on 20 of There" in cross_dataset.summary.read_text()


def test_a_method_that_the_protocol_leaves_out_is_named_under_the_results(cross_dataset: RunFolder) -> None:
    remark = "Linear probe is left out: it knows only the classes it was trained on"
    assert remark in cross_dataset.summary.read_text()
    assert remark in page_text(cross_dataset)


def test_the_embedded_clip_on_other_images_than_its_own_is_warned_of_first(cross_dataset: RunFolder) -> None:
    for text in (cross_dataset.summary.read_text(), page_text(cross_dataset)):
        assert text.index("The embedded CLIP has seen nothing but drawings") < text.index("never seen in training")


def test_drawn_splits_are_told_by_a_path_from_the_home_of_the_outputs(cross_dataset: RunFolder, home: Path) -> None:
    summary = cross_dataset.summary.read_text()
    assert re.search(r"- Splits: .*kept in splits/Here-1-0\.7-", summary)
    assert str(home) not in summary


def test_a_warm_up_as_long_as_the_training_is_warned_of_in_the_log_and_under_the_table(
    images: Path, home: Path
) -> None:
    display = Quiet()
    settings = ("methods=[coop,dpl,spg]", "coop.schedule.warmup_epochs=2", "stage1.schedule.warmup_epochs=9")
    folder = run(arguments(images, home, "name=warming", *settings), display)
    coop = "coop warms up in all 2 of its epochs: its learning rate is 1e-05 at most, not 0.002"
    stage1 = "stage1 warms up in all 3 of its epochs: its learning rate is 1e-05 at most, not 0.002"
    stage2 = "stage2 warms up in all 3 of its epochs: its learning rate is 0.001 at most, not 0.002"
    said = " ".join(display.text.getvalue().split())
    assert all(f"warning: {remark}." in said for remark in (coop, stage1, f"{stage2}; {stage1}"))
    assert said.count("dpl warms up") == 0, "its rate reaches its peak after the first epoch"
    notes = {row.method: row.note for row in read_results(folder.results)}
    assert coop in notes["coop"] and f"{stage2}; {stage1}" in notes["spg"] and "warms" not in notes["dpl"]
    assert coop in folder.summary.read_text(encoding="utf-8") and coop in page_text(folder)
