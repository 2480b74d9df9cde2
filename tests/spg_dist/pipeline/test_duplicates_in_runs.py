"""An image that stands both in a target and in its sources: kept and warned of, or left out of what is learned from."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
import torch
from drawn_material import draw_images
from experiment_material import TRAINED_METHODS, Outcome, Quiet, arguments, builder, outcome, run, the_run, train_all

from spg_dist.data import DataConfig, Manifest, load_manifest
from spg_dist.evaluation.results import read_results
from spg_dist.experiment import runs as specs
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.material import Material
from spg_dist.pipeline.duplicates import say_duplicates
from spg_dist.pipeline.testing import read_predictions
from spg_dist.plan import plan
from spg_dist.testing.methods import poison

TARGET = "sketch"
PROTOCOLS = ("multi-source", "single-source", "cross-dataset")


@dataclass(frozen=True)
class Copied:
    """A data set and one to test on, with images that stand twice.

    Arguments:
        learned: paths of `root` that are copies of an image of the target, one in train and one in val.
        between_sources: one of a third domain's.
        elsewhere: one of the other data set's.
    """

    root: Path
    other: Path
    learned: dict[str, str]
    between_sources: tuple[str, str]
    elsewhere: tuple[str, str]


def first(manifest: Manifest, domain: str, class_name: str, split: str) -> str:
    """Path of an image."""
    k, label = manifest.domain_index(domain), manifest.class_names.index(class_name)
    return next(i.path for i in manifest.images if (i.domain, i.label, i.split) == (k, label, split))


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Copied:
    folder = tmp_path_factory.mktemp("copied")
    root, other = draw_images(folder / "set"), draw_images(folder / "other", ("cartoon", "photo"), ("cat", "house"))
    manifest = load_manifest(DataConfig("folder", str(root)), folder / "splits")
    originals = {f"{TARGET}/boat/0.png": "train", f"{TARGET}/car/1.png": "val"}
    domains = {"train": "art", "val": "photo"}
    learned = {first(manifest, domains[s], path.split("/")[1], s): path for path, s in originals.items()}
    between = first(manifest, "photo", "boat", "train"), first(manifest, "art", "boat", "val")
    elsewhere = first(manifest, "photo", "fish", "train"), "photo/house/3.png"
    for copy, original in learned.items():
        shutil.copy(root / original, root / copy)
    shutil.copy(root / between[0], root / between[1])
    shutil.copy(other / elsewhere[1], root / elsewhere[0])
    return Copied(root, other, learned, between, elsewhere)


def settings_of(protocol: str, copied: Copied, *settings: str) -> tuple[str, ...]:
    test_data = (f"test_data=[{{dataset: folder, root: {copied.other}, name: Other}}]",)
    return (f"protocol={protocol}", *settings, *(test_data if protocol == "cross-dataset" else ()))


def contents(material: Material, rows: object) -> set[str]:
    return set(material.digests(rows))  # type: ignore[arg-type]


def unseen_contents(material: Material, sources: set[int]) -> set[str]:
    """Of every image that a run with these sources must not see."""
    images = material.manifest.images
    own = {material.views.digests[i] for i, image in enumerate(images) if image.domain not in sources}
    return own.union(*(place.views.digests for place in material.others.values()))


@pytest.mark.parametrize("method", TRAINED_METHODS)
def test_drop_keeps_the_targets_copies_out_of_every_training(copied: Copied, home: Path, method: str) -> None:
    """A copy shares its original's cached feature, which is NaN here: what reads it has another history."""
    built = builder(copied.root, home, f"drop-{method}", "data.duplicates=drop")
    clean = list(train_all(built.build(), method, TARGET))
    again = builder(copied.root, home, f"drop-poisoned-{method}", "data.duplicates=drop")
    poisoned = list(train_all(poison(again.build(), TARGET), method, TARGET))
    for (name, mine, history), (_, theirs, history_there) in zip(clean, poisoned, strict=True):
        assert history == history_there and all(math.isfinite(v) for epoch in history for v in epoch.values()), name
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in mine.items()), name


@pytest.mark.parametrize("method", TRAINED_METHODS)
def test_keep_trains_on_the_copies_as_the_published_protocols_do(copied: Copied, home: Path, method: str) -> None:
    material = poison(builder(copied.root, home, f"keep-{method}").build(), TARGET)
    with pytest.raises(ValueError, match="nan"):
        list(train_all(material, method, TARGET))


@pytest.mark.parametrize(
    ("protocol", "selection"),
    [*product(PROTOCOLS, ("source-val", "last")), ("multi-source", "oracle"), ("single-source", "oracle")],
)
def test_every_run_of_stage_1_loses_exactly_what_stands_outside_its_sources(
    copied: Copied, home: Path, protocol: str, selection: str
) -> None:
    methods = ("methods=[coop,linear-probe,spg]", f"selection={selection}")
    kept, dropped = (
        builder(copied.root, home, "rows", *settings_of(protocol, copied, *methods, f"data.duplicates={d}")).build()
        for d in ("keep", "drop")
    )
    lost: dict[str, int] = {}
    for spec in plan(kept.core, kept.manifest, [other.manifest for other in kept.others.values()]).stage1:
        all_, left = (the_run(each, spec) for each in (kept, dropped))
        before, after = all_.identity, left.identity
        if spec.method == "prompt-label":
            every = protocol == "cross-dataset"
            sources = set(range(3)) if every else {kept.manifest.domain_index(spec.where)}
        else:
            sources = kept.sources(spec.where)
        unseen = unseen_contents(kept, sources)
        for split, rows, fewer in (
            ("train", all_.train_rows, left.train_rows),
            ("val", all_.val_rows, left.val_rows),
        ):
            if split == "val" and selection == "oracle" and spec.method != "prompt-label":
                assert fewer.tolist() == rows.tolist()  # the target's own, which no drop touches
            else:
                assert fewer.tolist() == [i for i in rows if kept.views.digests[i] not in unseen]
                assert not contents(dropped, fewer) & unseen
        changed = len(left.train_rows) + len(left.val_rows) < len(all_.train_rows) + len(all_.val_rows)
        assert (before.digest != after.digest) == changed
        lost[spec.method] = lost.get(spec.method, 0) + changed
    assert all(lost.values()), lost


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_test_loses_an_image(copied: Copied, home: Path, protocol: str) -> None:
    kept, dropped = (
        builder(copied.root, home, "tests", *settings_of(protocol, copied, f"data.duplicates={d}")).build()
        for d in ("keep", "drop")
    )
    for target in ["Other"] if protocol == "cross-dataset" else kept.manifest.domains:
        rows = dropped.on(target).test_rows(target)
        assert rows.tolist() == kept.on(target).test_rows(target).tolist()
        assert len(rows) == (24 if protocol == "cross-dataset" else 18)


def test_a_run_without_copies_is_the_same_with_drop(images: Path, home: Path, undisturbed: Outcome) -> None:
    folder = run(arguments(images, home, "name=nothing-to-drop", "data.duplicates=drop"))
    assert undisturbed.differences(outcome(folder)) == []
    assert "Duplicates" not in folder.summary.read_text()


def text_of(folder: RunFolder) -> tuple[str, str]:
    return " ".join(folder.summary.read_text().split()), " ".join(folder.report.read_text().split())


LEAK = "Test images that also stand in the train or val split of their sources"


def test_a_run_that_keeps_them_warns_in_its_log_its_summary_and_its_report(copied: Copied, home: Path) -> None:
    display = Quiet()
    given = arguments(copied.root, home, "name=warned", f"targets=[{TARGET}]", "methods=[zero-shot,coop]")
    folder = run(given, display)
    copy, original = next((c, o) for c, o in copied.learned.items() if "boat" in c)
    for text in (*text_of(folder), " ".join(display.text.getvalue().split())):
        assert f"{LEAK}, so that training sees them: {TARGET} 2, e.g. {original} = {copy}. data.duplicates=drop" in text
    assert "3 in several domains; those of a target (sketch 2) are kept in its sources" in text_of(folder)[0]
    said = display.text.getvalue()
    assert "3 images that stand in several domains, byte for byte the same:" in said
    for one, two in (*copied.learned.items(), copied.between_sources):
        assert f"  {' = '.join(sorted([one, two]))}\n" in said


def test_a_run_that_drops_them_says_so_and_tests_every_image(copied: Copied, home: Path) -> None:
    given = arguments(copied.root, home, "name=dropped", f"targets=[{TARGET}]", "methods=[zero-shot,coop]")
    folder = run([*given, "data.duplicates=drop"])
    for text in text_of(folder):
        assert LEAK not in text
    assert "those of a target (sketch 2) are left out of its sources' train and val" in text_of(folder)[0]
    assert {row.n for row in read_results(folder.results)} == {18}
    for method, seed in (("zero-shot", None), ("coop", 1)):
        said = read_predictions(folder.predictions(specs.EvaluationSpec(RunSpec(method, TARGET, seed), TARGET)))
        assert set(copied.learned.values()) <= set(said) and len(said) == 18


def test_where_nothing_is_trained_nothing_leaks(copied: Copied, home: Path) -> None:
    folder = run(arguments(copied.root, home, "name=none-trained", "methods=[zero-shot]"))
    assert LEAK not in text_of(folder)[0] and "- Duplicates: 3 in several domains" in text_of(folder)[0]


def test_copies_of_another_data_set_are_told_by_its_name(copied: Copied, home: Path) -> None:
    display = Quiet()
    built = builder(copied.root, home, "across", *settings_of("cross-dataset", copied, "data.name=Here"))
    say_duplicates(built.build(), display)
    one, two = copied.elsewhere
    assert f"1 image that stands in several data sets, byte for byte the same:\n  {one} = {two}\n" in (
        display.text.getvalue()
    )
    assert f"Other 1, e.g. {two} = {one}." in display.text.getvalue()


def test_one_image_under_two_classes_is_a_warning_for_a_published_data_set(tmp_path: Path, home: Path) -> None:
    drawn = draw_images(tmp_path / "drawn", ("art", "cartoon", "photo", "sketch"), ("cat", "house"), each=4)
    root = tmp_path / "PACS"
    for domain in ("art", "cartoon", "photo", "sketch"):
        for name, called in (("cat", "dog"), ("house", "house")):
            shutil.copytree(drawn / domain / name, root / (domain if domain != "art" else "art_painting") / called)
    shutil.copy(root / "photo/dog/0.png", root / "photo/house/0.png")
    display = Quiet()
    folder = run(arguments(root, home, "data.dataset=pacs", "name=two-classes", "methods=[zero-shot]"), display)
    warning = "1 image that stands in several classes, so not every test of them can be right: "
    for text in (*text_of(folder), " ".join(display.text.getvalue().split())):
        assert f"{warning}photo/dog/0.png = photo/house/0.png." in text


def test_a_domain_of_which_drop_leaves_nothing_is_refused_before_any_training(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw_images(tmp_path / "set")
    for path in (root / "art").rglob("*.png"):
        shutil.copy(path, root / TARGET / path.relative_to(root / "art"))
    with pytest.raises(SystemExit):
        run(arguments(root, home, "name=nothing-left", "data.duplicates=drop"))
    message = capsys.readouterr().err
    assert "every train image of domain sketch of set stands in another domain" in message
    assert "data.duplicates=keep" in message
    assert not list((home / "runs" / "nothing-left").rglob("*.safetensors"))


def test_a_test_from_which_copies_are_to_be_dropped_is_refused(
    copied: Copied, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test_data = f"test_data=[{{dataset: folder, root: {copied.other}, duplicates: drop}}]"
    with pytest.raises(SystemExit):
        run(arguments(copied.root, home, "name=drop-from-test", "protocol=cross-dataset", test_data))
    assert "nothing is ever dropped from a test: give data.duplicates=drop" in capsys.readouterr().err
