"""Which images a run sees in training though they stand in what it must not see, by a plain search of all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spg_dist.config import Config, config_class
from spg_dist.data import DataConfig, ImageRecord, Manifest
from spg_dist.experiment.duplicates import Duplicates
from spg_dist.protocols import PROTOCOLS

DOMAINS = ("art", "photo", "sketch")
Place = tuple[Manifest, list[str]]


@st.composite
def places(draw: st.DrawFn, dataset: str) -> Place:
    """A data set of a few images, whose contents are few enough to stand often twice."""
    of_image = st.tuples(st.integers(0, 2), st.sampled_from(["train", "val", "test"]), st.sampled_from("abcdefghij"))
    images = draw(st.lists(of_image, min_size=1, max_size=12))
    records = tuple(ImageRecord(f"{i}.png", 0, domain, split) for i, (domain, split, _) in enumerate(images))
    left_out = frozenset(draw(st.sets(st.sampled_from([record.path for record in records]), max_size=1)))
    manifest = Manifest(dataset, Path("/here"), ("dog",), DOMAINS, records, left_out)
    return manifest, [content for _, _, content in images]


def duplicates_of(given_places: Sequence[Place]) -> Duplicates:
    manifests, digests = zip(*given_places, strict=True)
    return Duplicates(manifests, digests)


def config_of(protocol: str, tests: Sequence[Place], **fields: Any) -> Config:
    test_data = [DataConfig("folder", "/there", name=manifest.dataset) for manifest, _ in tests]
    return config_class()(protocol=protocol, test_data=test_data, **fields)  # type: ignore[arg-type]


@given(places("Here"), st.lists(places("There"), max_size=1), st.sets(st.integers(0, 2)))
def test_rows_outside_are_those_with_a_copy_in_another_domain_or_data_set(
    here: Place, tests: list[Place], seen: set[int]
) -> None:
    (manifest, digests), outside = here, set()
    for image, digest in zip(manifest.images, digests, strict=True):
        outside |= {digest} if image.domain not in seen else set()
    outside |= {digest for _, contents in tests for digest in contents}
    expected = {i for i, image in enumerate(manifest.images) if image.domain in seen and digests[i] in outside}
    found = {int(i) for i in duplicates_of([here, *tests]).rows_outside(seen)}
    assert {i for i in found if manifest.images[i].domain in seen} == expected


@pytest.mark.parametrize(
    ("protocol", "fields"),
    [
        ("multi-source", {}),
        ("multi-source", {"targets": ["sketch"]}),
        ("single-source", {}),
        ("single-source", {"sources": ["art", "photo"], "targets": ["art"]}),
        ("cross-dataset", {}),
    ],
    ids=str,
)
@given(data=st.data())
def test_leaks_are_the_pairs_of_a_tested_image_and_one_that_its_run_learns_from(
    protocol: str, fields: dict[str, Any], data: st.DataObject
) -> None:
    here = data.draw(places("Here"))
    tests = [data.draw(places(name)) for name in ("There", "Beyond")] if protocol == "cross-dataset" else []
    config, manifest = config_of(protocol, tests, **fields), here[0]
    expected: dict[str, set[str]] = {}
    for where in PROTOCOLS[protocol].trainings(config, manifest):
        sources = {manifest.domains.index(name) for name in PROTOCOLS[protocol].sources(manifest, where)}
        learned = {
            digest
            for image, digest in zip(manifest.images, here[1], strict=True)
            if image.domain in sources and image.split in ("train", "val")
        }
        for target in PROTOCOLS[protocol].targets(config, manifest, [test for test, _ in tests], where):
            place, contents = next((test for test in tests if test[0].dataset == target), here)
            for image, digest in zip(place.images, contents, strict=True):
                tested = place is not manifest or place.domains[image.domain] == target
                if tested and image.path not in place.left_out and digest in learned:
                    expected.setdefault(target, set()).add(image.path)
    found = duplicates_of([here, *tests]).leaks(config)
    assert {target: set(paths) for target, paths in found.items()} == expected
    content_of = {image.path: digest for image, digest in zip(manifest.images, here[1], strict=True)}
    for target, paths in found.items():
        place, contents = next((test for test in tests if test[0].dataset == target), here)
        content_there = {image.path: digest for image, digest in zip(place.images, contents, strict=True)}
        assert all(content_there[path] == content_of[copy] for path, copy in paths.items())
