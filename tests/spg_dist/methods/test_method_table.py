"""What is known of all methods, without importing what they compute with."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

from spg_dist.methods import METHODS, branches, in_focus, method_of

HEAVY = {"torch", "torchvision", "open_clip", "ray", "optuna", "matplotlib"}


def imported(program: str) -> set[str]:
    """The packages that a program imports."""
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    modules = re.findall(r"^import time:.*\|\s*([\w.]+)$", done.stderr, re.MULTILINE)
    return {name.split(".")[0] for name in modules}


def test_help_is_written_without_importing_what_methods_compute_with() -> None:
    said = imported("from spg_dist.config.command_line import build_parser; build_parser('job').format_help()")
    assert "jsonargparse" in said and not said & HEAVY


def test_names_are_known_without_importing_a_method() -> None:
    program = "import sys; from spg_dist.methods import METHODS; print(METHODS.names()); "
    program += "assert [name for name in sys.modules if name.startswith('spg_dist.methods.')] == []"
    assert not imported(program) & HEAVY


def test_settings_labels_and_abilities_are_read_without_importing_what_methods_compute_with() -> None:
    program = "from spg_dist.methods import METHODS; "
    program += "print([(m.label, m.settings and m.settings(), m.trains, m.transductive, m.needed) for m in METHODS])"
    assert not imported(program) & HEAVY


@pytest.mark.parametrize("name", METHODS.names())
def test_a_method_is_complete(name: str) -> None:
    method = METHODS[name]
    for one in (*method.needed, method):
        assert one.label and (one is method or one.by_domain) and method_of(one.name) is one
        assert (one.settings is None) == (one.branch == "") and (one.branch == "" or one.branch.isidentifier())
        if one.settings is not None:
            assert is_dataclass(one.settings) and one.settings.__dataclass_params__.frozen and fields(one.settings)


def test_branches_names_and_folders_are_each_of_one_method() -> None:
    every = list(dict.fromkeys(one for method in METHODS for one in (*method.needed, method)))
    assert len(branches()) == sum(bool(one.branch) for one in every)
    assert len({one.folder or one.name for one in every if one.trains}) == sum(one.trains for one in every)
    assert [method for method in METHODS if method.role == "focus"] == [in_focus()]
    assert sum(method.role == "reference" for method in METHODS) == 1
