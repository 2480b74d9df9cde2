"""What others add is found by name, wherever it comes from, and travels to other processes."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cache.extensions import Table, carried, forget_plugins, load_plugins, modules_of

PLUGIN = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Mine:
    '''A method of one's own.'''
    name: str = {name!r}

METHOD = Mine()
"""


@pytest.fixture(autouse=True)
def no_plugins_left() -> Iterator[None]:
    yield
    forget_plugins()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A package with two methods, as ours: one of them fails when it is imported."""
    folder = tmp_path / "some_methods"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "of_ours.py").write_text(PLUGIN.format(name="of-ours"))
    (folder / "never_imported.py").write_text("raise AssertionError('imported')")
    (folder / "_shared.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    return modules_of("some_methods")


def plugin(folder: Path, name: str = "mine", text: str = PLUGIN) -> str:
    path = folder / f"{name.replace('-', '_')}.py"
    path.write_text(text.format(name=name))
    return str(path)


def test_names_of_modules_are_known_without_importing_them(own: dict[str, str]) -> None:
    table = Table("method", own)
    assert table.names() == ["never-imported", "of-ours"]
    assert table["of-ours"].name == "of-ours"


def test_a_plugin_stands_in_the_table_of_its_kind_and_in_no_other(own: dict[str, str], tmp_path: Path) -> None:
    load_plugins([plugin(tmp_path)])
    assert Table("method", own).names() == ["never-imported", "of-ours", "mine"]
    assert Table("store", {}).names() == []


def test_an_unknown_name_is_an_error_that_names_the_nearest_and_all(own: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"no method 'ofours'; did you mean 'of-ours'\? \(known: never-imported, of-o"):
        Table("method", own)["ofours"]


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "error": ("x = 1\nx = 1 / 0\n", r"mine.py, line 2: ZeroDivisionError: division by zero"),
        "syntax": ("x = 1\n\ndef f(:\n", r"mine.py, line 3: SyntaxError"),
        "nothing": ("x = 1\n", "adds nothing: expected one of METHOD, GENERATOR, DATASET, LAYOUT, STORE"),
    }.values(),
)
def test_a_plugin_that_cannot_be_used_is_an_error_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        load_plugins([str(path)])
    assert "spg_dist_plugin_mine" not in sys.modules


@pytest.mark.parametrize("name", ["absent.py", "my-method.py", "method.txt"])
def test_a_plugin_that_is_no_module_is_refused_by_name(tmp_path: Path, name: str) -> None:
    if name != "absent.py":
        (tmp_path / name).write_text(PLUGIN)
    with pytest.raises(ValueError, match=f"plugins names .*{name}"):
        load_plugins([str(tmp_path / name)])


def test_a_plugin_cannot_take_the_place_of_another(own: dict[str, str], tmp_path: Path) -> None:
    load_plugins([plugin(tmp_path, "of-ours")])
    with pytest.raises(ValueError, match=r"of_ours.py adds the method 'of-ours', which is there already"):
        Table("method", own).names()


def test_two_plugins_of_one_file_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match=r"names .*mine.py and .*other/mine.py: rename one"):
        load_plugins([plugin(tmp_path), plugin(tmp_path / "other")])


def test_an_installed_package_adds_to_the_table_and_a_broken_one_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(PLUGIN.format(name="theirs"))
    (tmp_path / "bad.py").write_text("import no_such_library")
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[spg_dist.methods]\ntheirs = good:METHOD\nbroken = bad:METHOD\n")
    program = f"""
import sys, warnings
sys.path.insert(0, {str(tmp_path)!r})
from cache.extensions import Table
table = Table("method", {{}})
print(sorted(table.names()), "good" in sys.modules)
with warnings.catch_warnings(record=True) as said:
    print([method.name for method in table])
print(said[0].message)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    names, all_of_them, warning = said.splitlines()
    assert names == "['broken', 'theirs'] False"
    assert all_of_them == "['theirs']"
    assert "'broken' of the installed package theirs cannot be imported (ModuleNotFoundError" in warning


def as_it_is(one: object) -> object:
    return one


@dataclass(frozen=True)
class Holder:
    """Something that has a plugin's object."""

    method: object

    def __reduce__(self) -> object:
        return carried(as_it_is, self.method)


@dataclass(frozen=True)
class Carrier:
    """Something that names a plugin's object."""

    method: str

    def __reduce__(self) -> object:
        return carried(found_there, self.method)


def found_there(name: str) -> object:
    return Table("method", {})[name]


@pytest.mark.parametrize("kind", ["its name", "itself"])
def test_what_names_or_has_a_plugins_object_takes_it_along_to_another_process(tmp_path: Path, kind: str) -> None:
    load_plugins([plugin(tmp_path)])
    sent = pickle.dumps(Carrier("mine") if kind == "its name" else Holder(found_there("mine")))
    Path(plugin(tmp_path)).unlink()
    program = "import pickle, sys; print(pickle.load(sys.stdin.buffer))"
    said = subprocess.run([sys.executable, "-c", program], input=sent, capture_output=True, check=True, cwd=".",
                          env={"PYTHONPATH": f".:{Path(__file__).parent}"})  # fmt: skip
    assert said.stdout.decode().strip() == "Mine(name='mine')"
