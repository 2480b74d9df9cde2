"""A run's configuration in its file: read back as it was, or refused as damaged or as another version's."""

from __future__ import annotations

import pytest

from spg_dist import __version__
from spg_dist.config import config_class, dump_config, load_config, parse_config
from spg_dist.config.command_line import END, HEADER


@pytest.mark.parametrize(
    "name",
    [
        "2e-3",
        "1e5",
        "5E3",
        "1_0",
        "0x1F",
        "0o7",
        "1:30",
        "on",
        "null",
        "~",
        "inf",
        "nan",
        "2026-11-26",
        "=",
        "<<",
        "- a",
    ],
)
def test_a_text_survives_the_file_of_a_run(name: str) -> None:
    fields = (f"name={name}", "data.dataset=folder", "data.root=/x", f"data.name={name}", f"targets=['{name}']")
    config = parse_config(fields, "full_pipeline.py", "What the job does.")
    assert load_config(dump_config(config), "config.yaml") == config


def test_a_stored_configuration_with_an_unknown_field_is_refused_by_its_file() -> None:
    text = dump_config(config_class()()).replace("dropout:", "drop_out:")
    with pytest.raises(
        ValueError,
        match=r"runs/demo/config\.yaml: there is no field 'stage2\.drop_out'; the nearest is 'stage2\.dropout'",
    ):
        load_config(text, "runs/demo/config.yaml")


def test_a_stored_configuration_of_another_version_is_refused_with_both_versions() -> None:
    text = (
        dump_config(config_class()())
        .replace("dropout:", "drop_out:")
        .replace(f"# spg-dist {__version__}", "# spg-dist 9.1")
    )
    with pytest.raises(ValueError, match=rf"config\.yaml was written by spg-dist 9\.1 .* this version, {__version__}"):
        load_config(text, "runs/demo/config.yaml")
    whole = dump_config(config_class()()).replace(f"# spg-dist {__version__}", "# spg-dist 9.1")
    assert load_config(whole, "config.yaml") == config_class()()


def test_a_stored_configuration_that_was_cut_anywhere_is_damaged() -> None:
    text = dump_config(config_class()())
    for end in [0, 1, len(HEADER), *range(20, len(text) - len(END) - 1, 97), len(text) - len(END) - 1]:
        with pytest.raises(ValueError, match=r"config\.yaml is damaged: delete it"):
            load_config(text[:end], "runs/demo/config.yaml")
