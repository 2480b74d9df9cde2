"""Text files are read and written as UTF-8 by name, whatever the locale."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("spg_dist", "cache", "tuning", "jobs")


MODES = set("rwabx+t")


def without_encoding(source: str) -> Iterator[int]:
    """Lines that open text without saying how it is encoded."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and not any(keyword.arg == "encoding" for keyword in node.keywords):
            of_a_path = isinstance(node.func, ast.Attribute)
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            read = name == "read_text" and of_a_path and not node.args  # importlib.metadata: a name, UTF-8
            written = name == "write_text" and of_a_path
            if read or written or (name in OPENERS and opens_text(node, name)):
                yield node.lineno


OPENERS = ("open", "fdopen")


def opens_text(call: ast.Call, name: str) -> bool:
    """By its mode, which is a path's first argument and any other's second."""
    of_a_path = isinstance(call.func, ast.Attribute) and name == "open"
    modes = call.args[:1] if of_a_path else call.args[1:2]
    modes += [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    if not modes:
        return not (of_a_path and call.args)
    mode = modes[0].value if isinstance(modes[0], ast.Constant) else None
    return isinstance(mode, str) and set(mode) <= MODES and "b" not in mode


def test_no_text_is_opened_in_the_locales_encoding() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for package in PACKAGES
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        for line in without_encoding(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_search_finds_what_it_is_to_find() -> None:
    for source in ("open('a', 'w')", "p.read_text()", "p.write_text(t)", "os.fdopen(h, 'w')", "p.open(mode='r')"):
        assert list(without_encoding(source)) == [1], source
    for source in ("open('a', 'rb')", "p.read_text(encoding='utf-8')", "write_text(p, t)", "p.open('wb')"):
        assert list(without_encoding(source)) == [], source
