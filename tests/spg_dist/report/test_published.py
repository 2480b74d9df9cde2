"""The paper's figures stand only beside the experiment that they belong to."""

from __future__ import annotations

import pytest

from spg_dist.config import parse_config
from spg_dist.report.published import averages_like_the_paper, published_context_tokens, published_figure


@pytest.mark.parametrize(
    ("dataset", "protocol", "backbone", "method", "target", "mean", "error"),
    [
        ("PACS", "multi-source", "ViT-B-16", "spg", None, 97.0, 0.5),
        ("pacs", "multi-source", "ViT-B/16", "SPG", "sketch", 91.3, None),
        ("PACS", "multi-source", "ViT-B-16-quickgelu", "spg", "art_painting", 97.7, None),
        ("PACS", "multi-source", "RN50", "zero-shot", None, 90.7, None),
        ("office_home", "multi-source", "RN50", "spg", "Real World", 83.4, None),
        ("terra_incognita", "multi-source", "RN50", "spg", "location_46", 32.1, None),
        ("VLCS", "multi-source", "ViT-B-16", "maple", None, 82.2, 0.2),
        ("domainnet", "multi-source", "RN50-quickgelu", "spg", "quickdraw", 7.9, None),
        ("OfficeHome", "single-source", "RN50", "coop", None, 70.7, None),
        ("DomainNet", "cross-dataset", "ViT-B-16", "spg", "TerraIncognita", 38.0, None),
        ("DomainNet", "cross-dataset", "ViT-B-16", "zero-shot", "PACS", 94.5, None),
        ("DomainNet", "cross-dataset", "ViT-B-16", "spg", None, 73.8, None),
    ],
)
def test_a_figure_is_found_under_the_names_people_use(
    dataset: str, protocol: str, backbone: str, method: str, target: str | None, mean: float, error: float | None
) -> None:
    figure = published_figure(dataset, protocol, backbone, method, target, comparable=True)
    assert figure is not None
    assert (figure.mean, figure.standard_error) == (mean, error)
    assert "arXiv 2404.19286" in figure.source


@pytest.mark.parametrize(
    ("dataset", "protocol", "backbone", "method", "target"),
    [
        ("PACS", "multi-source", "ViT-B-32", "spg", None),
        ("PACS", "single-source", "ViT-B-16", "spg", None),
        ("PACS", "cross-dataset", "ViT-B-16", "spg", "VLCS"),
        ("DomainNet", "cross-dataset", "ViT-B-16", "spg", "DomainNet"),
        ("PACS", "multi-source", "RN50", "coop", "sketch"),
        ("PACS", "multi-source", "RN50", "zero-shot-ensemble", None),
        ("PACS", "multi-source", "RN50", "spg", "clipart"),
        ("drawn", "multi-source", "RN50", "spg", None),
    ],
)
def test_there_is_no_figure_for_an_experiment_that_the_paper_does_not_print(
    dataset: str, protocol: str, backbone: str, method: str, target: str | None
) -> None:
    assert published_figure(dataset, protocol, backbone, method, target, comparable=True) is None


def test_there_is_no_figure_for_other_weights_or_other_data() -> None:
    assert published_figure("PACS", "multi-source", "ViT-B-16", "spg", None, comparable=False) is None


def test_the_length_of_a_methods_prompt_is_that_of_its_presets() -> None:
    config = parse_config(["--config", "paper-pacs", "data.root=/nowhere"], "test")
    lengths = {"coop": config.coop, "cocoop": config.cocoop, "dpl": config.dpl, "spg": config.stage1}
    assert {method: published_context_tokens(method) for method in lengths} == {
        method: settings.n_ctx  # type: ignore[attr-defined]
        for method, settings in lengths.items()
    }
    assert published_context_tokens("zero-shot") is None


def test_an_average_over_some_of_the_targets_is_not_the_papers() -> None:
    four = [("rest", target) for target in ("art_painting", "cartoon", "photo", "sketch")]
    assert averages_like_the_paper("PACS", "multi-source", four)
    assert not averages_like_the_paper("PACS", "multi-source", four[:3])
    assert not averages_like_the_paper("drawn", "multi-source", four)
    names = [target for _, target in four]
    pairs = [(source, target) for source in names for target in names if source != target]
    assert averages_like_the_paper("PACS", "single-source", pairs)
    assert not averages_like_the_paper("PACS", "single-source", pairs[:-1])
    tested = [("DomainNet", target) for target in ("pacs", "VLCS", "office_home", "terra_incognita")]
    assert averages_like_the_paper("DomainNet", "cross-dataset", tested)
    assert not averages_like_the_paper("DomainNet", "cross-dataset", tested[1:])
