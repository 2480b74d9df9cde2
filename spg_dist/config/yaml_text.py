"""YAML that loses nothing: a key given twice is an error, and a text that is written stays a text."""

from __future__ import annotations

from typing import Any

import yaml


class _EachKeyOnce(yaml.SafeLoader):
    """Refuses a mapping that names a key twice."""


def _mapping(loader: _EachKeyOnce, node: yaml.MappingNode) -> dict[Any, Any]:
    first: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue  # no field has such a name: refused as unknown
        line = key.start_mark.line + 1
        if key.value in first:
            problem = f"{key.value!r} stands in line {first[key.value]} and again in line {line}: keep one of them"
            raise yaml.constructor.ConstructorError(None, None, problem)
        first[key.value] = line
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_EachKeyOnce.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(text: str) -> Any:
    """What a YAML text holds. Raises yaml.YAMLError where it is no YAML, or names a key twice."""
    return yaml.load(text, _EachKeyOnce)  # a SafeLoader: of plain values only


class _TextStaysText(yaml.SafeDumper):
    """Quotes what a reader might take for a number."""


def _text(dumper: _TextStaysText, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if _looks_like_a_number(text) else None)


def _looks_like_a_number(text: str) -> bool:
    """By Python's rules too: to PyYAML `2e-3` is a text, to the reader of our configurations a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


_TextStaysText.add_representer(str, _text)


def write_yaml(value: Any) -> str:
    """A value of plain types as YAML, keys in their order."""
    text: str = yaml.dump(value, Dumper=_TextStaysText, sort_keys=False, allow_unicode=True)
    return text
