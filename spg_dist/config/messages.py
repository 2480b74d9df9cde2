"""What a user reads who got a field wrong: its dotted name, what was expected, what was given."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from spg_dist.config.yaml_text import read_yaml

UNKNOWN_FIELD = (
    r"Group '(?P<branch>[^']*)' does not accept option '(?P<option>[^']*)'",
    r"[Uu]nrecognized arguments?: --(?P<flag>[\w.\-]+)",
    r"[Kk]ey '?\"?(?P<key>[\w.]+)'?\"? is not expected",
    r"[Oo]ption '(?P<key>[\w.]+)' is not accepted",
)


def reworded(message: str, known_fields: Sequence[str]) -> str:
    """jsonargparse's message in the words of this configuration; unchanged where it is of no known kind."""
    for pattern in UNKNOWN_FIELD:
        if found := re.search(pattern, message):
            parts = found.groupdict()
            name = ".".join(part for part in (parts.get("branch"), parts.get("option")) if part)
            return unknown_field(name or parts.get("flag") or parts.get("key") or "", known_fields)
    if found := re.search(r"[Uu]nrecognized arguments?: (\S+)", message):
        return f"{found[1]!r} is no field: give fields as branch.field=value, e.g. stage2.epochs=20"
    if found := re.search(r'key "([^"]+)": Expected an? (.+?)\. Got value: (.*)', " ".join(message.split())):
        return wrong_type(found[1], found[2], found[3])
    if found := re.search(r'key "([^"]+)": Unable to load config', message):
        inside = [name for name in known_fields if name.startswith(f"{found[1]}.")]
        return f"{found[1]} is a branch, not a field: set one of its fields, e.g. {(inside or [found[1]])[0]}=..."
    return " ".join(message.split())


def unknown_field(name: str, known_fields: Sequence[str]) -> str:
    return f"there is no field {name!r}; the nearest is {nearest_field(name, known_fields)!r}"


def nearest_field(name: str, known_fields: Sequence[str]) -> str:
    """The field whose dotted name is most like `name`, its last part counting first."""
    last = name.rsplit(".", 1)[-1]
    by_last = difflib.get_close_matches(last, [known.rsplit(".", 1)[-1] for known in known_fields], n=1, cutoff=0.6)
    pool = [known for known in known_fields if by_last and known.rsplit(".", 1)[-1] == by_last[0]] or known_fields
    return max(pool, key=lambda known: difflib.SequenceMatcher(None, name, known).ratio())


def wrong_type(name: str, expected: str, given: str) -> str:
    """E.g. "stage2.epochs: expected int, got 'x'"."""
    if found := re.fullmatch(r"typing\.Literal\[(.*)\]", expected):
        choices = re.findall(r"'([^']*)'", found[1])
        near = difflib.get_close_matches(given, choices, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{name}: expected one of {', '.join(choices)}, got {given!r}{hint}"
    plain = re.sub(r"<class '([\w.]+)'>", r"\1", expected)
    example = f", e.g. {name}=[{given}]" if plain == "list" else ""
    article = "" if plain in ("int", "float", "bool", "str") else "a "
    return f"{name}: expected {article}{plain}{example}, got {given!r}"


def fault_of_config_file(given: str, presets: Iterable[str]) -> str | None:
    """Why `--config given` cannot be used: it is neither a preset nor a file that holds fields. None if it can."""
    presets = sorted(presets)
    path = Path(given)
    if not path.is_file():
        near = difflib.get_close_matches(path.stem, presets, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"--config {given}: there is no such file and no such preset{hint}. Presets: {', '.join(presets)}"
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return f"--config {given} is not UTF-8 in line {line}: save the file as UTF-8"
    except yaml.YAMLError as error:
        return f"--config {given} is not valid YAML: {' '.join(str(error).split())}"
    except OSError as error:
        return f"--config {given} cannot be read: {error.strerror}"
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        return f"--config {given} holds {found}, expected fields, e.g. stage2: {{epochs: 20}}"
    return None


def with_branch(config_class: type, values: dict[str, Any], message: str) -> str:
    """A value's own message behind the dotted name of its branch: stage 1 and CoOp share one class of settings."""
    branch = _failing_branch(config_class, values, "")
    if not branch or message.startswith((f"{branch[0]}.", f"{branch[0]}:")):
        return message
    name, owner = branch
    first = message.split(" ", 1)[0]
    return f"{name}.{message}" if first in {field.name for field in fields(owner)} else f"{name}: {message}"


def _failing_branch(owner: type, values: dict[str, Any], prefix: str) -> tuple[str, Any] | None:
    """The innermost branch whose own values are refused."""
    hints = get_type_hints(owner)
    own = {}
    for name, value in values.items():
        if not is_dataclass(hints[name]):
            own[name] = value
        elif found := _failing_branch(hints[name], value, f"{prefix}{name}."):
            return found
    try:
        owner(**own)
    except ValueError:
        return (prefix[:-1], owner) if prefix else None
    return None
