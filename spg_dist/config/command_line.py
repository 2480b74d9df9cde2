"""From the command line to a configuration: presets and YAML files, then overrides of any field."""

from __future__ import annotations

import re
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace, set_parsing_settings

from cache.extensions import load_plugins, not_loaded
from spg_dist import __version__
from spg_dist.config.messages import fault_of_config_file, reworded, with_branch
from spg_dist.config.tree import Config, branch_classes, config_class
from spg_dist.config.yaml_text import read_yaml, write_yaml

set_parsing_settings(docstring_parse_attribute_docstrings=True)

PRESETS = "spg_dist.config.presets"
HEADER, END = "# spg-dist ", "# end"


MOST_USED = """
most used fields:
  name=pacs                                   the run, and its folder below runs/
  data.dataset=auto data.root=/data/PACS      your images; without these, the embedded drawings
  --config paper-pacs                         the published values for a data set
  targets=[sketch] seeds=[1] methods=[spg]    less of everything, for a first try
  stage1.epochs=5 stage2.epochs=5             shorter training
  execution.backend=local                     without Ray, in this process
"""


class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """Fields with their defaults, and the description's lines as they are written."""


class ConfigParser(ArgumentParser):
    """jsonargparse's parser, with messages in the words of this configuration; it ends with status 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {reworded(message, field_names())}\n(--help explains every field)\n")
        sys.exit(2)


class FileParser(ConfigParser):
    """The same for a stored configuration: its faults are a ValueError."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise ValueError(reworded(message, field_names())) from ex


def field_names() -> tuple[str, ...]:
    """Dotted names of all fields, sorted."""
    return _field_names(branch_classes())


@lru_cache(maxsize=2)
def _field_names(branches: tuple[tuple[str, Any], ...]) -> tuple[str, ...]:
    defaults = build_parser("spg-dist").get_defaults()
    return tuple(sorted(str(key) for key in defaults.keys(branches=False) if key != "config"))


def build_parser(prog: str, description: str | None = None, kind: type[ConfigParser] = ConfigParser) -> ConfigParser:
    """A parser for the whole tree."""
    of_kind: Any = kind  # mypy takes no class for hashable
    return _parser(prog, description, of_kind, branch_classes())


@lru_cache(maxsize=8)
def _parser(prog: str, description: str | None, kind: Any, branches: tuple[tuple[str, Any], ...]) -> ConfigParser:
    parser: ConfigParser = kind(
        prog=prog,
        usage=f"{prog} [--config PRESET|FILE] [FIELD=VALUE ...]",
        description=f"{description or ''}{MOST_USED}",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        print_config="--print-config",
    )
    parser.add_argument(
        "--config", action="config", help="a YAML file, or the name of a preset: " + ", ".join(preset_names())
    )
    parser.add_class_arguments(Config, None)
    for name, settings in branches:
        parser.add_class_arguments(settings, name)
    return parser


def preset_names() -> list[str]:
    """Names that `--config` takes beside paths."""
    return sorted(entry.name[:-5] for entry in resources.files(PRESETS).iterdir() if entry.name.endswith(".yaml"))


def parse_config(arguments: Sequence[str], prog: str, description: str | None = None, sweeps: bool = True) -> Config:
    """The configuration that a command line asks for. Fields are given as `stage2.epochs=20` or `--stage2.epochs 20`;
    they override what `--config` names, in whatever order the two are given.

    Exits with status 2 and a message on an unknown field, a wrong type or a value out of range, and on a number of
    trials for a job that makes no sweep.
    """
    arguments = _configs_first(_with_homes(arguments))
    try:
        load_plugins(_plugins_named(arguments))  # before the parser, which has their fields
    except ValueError as error:
        build_parser(prog, description).error(str(error))
    parser = build_parser(prog, description)
    for given in _config_values(arguments):
        fault = None if given in preset_names() else fault_of_config_file(given, preset_names())
        if fault:
            parser.error(fault)
    parsed = parser.parse_args([_as_option(argument) for argument in _presets_as_paths(arguments)])
    config = _instantiate(parser, parsed)
    if config.tune.trials and not sweeps:
        parser.error(
            f"tune.trials is {config.tune.trials}, but {prog} makes no sweep: run jobs/tune.py, "
            f"then {prog} --config sweeps/{config.name}/best.yaml"
        )
    return config


def load_config(text: str, source: str) -> Config:
    """The configuration stored in a run's config.yaml; a field that its version did not have has its default.

    Raises:
        ValueError: the text is cut or damaged, or has fields or values that this version does not know.
    """
    first = text.split("\n", 1)[0]
    version = first.removeprefix(HEADER) if first.startswith(HEADER) else ""
    try:
        whole = isinstance(read_yaml(text), dict) and (not version or text.rstrip().endswith(END))
    except yaml.YAMLError:
        whole = False
    if not whole:
        raise ValueError(
            f"{source} is damaged: delete it and run the command that made it again; finished runs stay as they are"
        )
    named = read_yaml(text).get("plugins", [])
    if missing := not_loaded(named):  # not from here: a run's folder may come from anyone, and plugins are programs
        raise ValueError(f"{source} was made with plugins={named}: give plugins={missing} again, if you trust them")
    parser = build_parser("spg-dist", kind=FileParser)
    try:
        return _instantiate(parser, parser.parse_string(text))
    except ValueError as error:
        if version in ("", __version__):
            raise ValueError(f"{source}: {error}") from error
        raise ValueError(
            f"{source} was written by spg-dist {version} and does not fit this version, {__version__} ({error}): "
            f"use that version to resume it, or give this run another name=..."
        ) from error


def dump_config(config: Config) -> str:
    """The whole resolved configuration as YAML, with the version that wrote it and a mark of its end."""
    return f"{HEADER}{__version__}\n{write_yaml(_plain(asdict(config)))}{END}\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _instantiate(parser: ConfigParser, parsed: Namespace) -> Config:
    parsed.pop("config", None)
    try:
        built = parser.instantiate(parsed)
        return config_class()(**{each.name: built[each.name] for each in fields(config_class())})
    except ValueError as error:
        parser.error(with_branch(config_class(), parsed.as_dict(), str(error)))


def _as_option(argument: str) -> str:
    """`stage2.epochs=20` means `--stage2.epochs=20`."""
    return f"--{argument}" if re.match(r"[A-Za-z_][\w.]*\+?=", argument) else argument


def _with_homes(arguments: Sequence[str]) -> list[str]:
    """`--config=~/mine.yaml`, which no shell expands, and `--config '~/mine.yaml'` with the user's home in place."""
    # the home is looked up where it is needed: in a container there may be none
    return [
        re.sub(r"^(--config=)?~(?=/)", lambda found: f"{found[1] or ''}{Path.home()}", given) for given in arguments
    ]


def _configs_first(arguments: Sequence[str]) -> list[str]:
    """What `--config` names before all fields: jsonargparse lets the later one win."""
    configs: list[str] = []
    fields: list[str] = []
    for before, argument in pairwise(["", *arguments]):
        is_config = before == "--config" or argument == "--config" or argument.startswith("--config=")
        (configs if is_config else fields).append(argument)
    return configs + fields


def _config_values(arguments: Sequence[str]) -> list[str]:
    """What `--config` and `--config=` are given."""
    joined = [argument.removeprefix("--config=") for argument in arguments if argument.startswith("--config=")]
    return joined + [value for flag, value in pairwise(arguments) if flag == "--config"]


def _plugins_named(arguments: Sequence[str]) -> list[str]:
    """Files that the field `plugins` names, on the command line or else in what `--config` names."""
    given = [re.sub(r"^(--)?plugins=", "", argument) for argument in arguments if re.match(r"(--)?plugins=", argument)]
    given += [value for flag, value in pairwise(arguments) if flag == "--plugins"]
    named: Any = None
    try:
        for path in () if given else _config_values(_presets_as_paths(arguments)):
            named = read_yaml(Path(path).read_text(encoding="utf-8")).get("plugins", named)
        named = yaml.safe_load(given[-1]) if given else named
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        return []  # the parser says what is wrong with it
    return [path for path in named if isinstance(path, str)] if isinstance(named, list) else []


def _presets_as_paths(arguments: Sequence[str]) -> list[str]:
    names, resolved, after_config = preset_names(), [], False
    for argument in arguments:
        name = argument.removeprefix("--config=")
        if name in names and (after_config or name != argument):
            path = str(resources.files(PRESETS) / f"{name}.yaml")
            argument = path if after_config else f"--config={path}"
        after_config = argument == "--config"
        resolved.append(argument)
    return resolved
