"""What nothing tells about a file of weights, so that it has to be assumed: activation, mean, std, resize."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

ACTIVATION = "quick_gelu"
TRANSFORM = ("mean", "std", "interpolation", "resize_mode")


def assumed_in_words(assumed: Mapping[str, Any]) -> str:
    """What was taken for the fields that nothing tells, to follow the weights' name; empty where all is known."""
    said = ""
    if ACTIVATION in assumed:
        said += f"; they do not state their activation, {_in_words(ACTIVATION, assumed[ACTIVATION])} is taken"
    if transform := {name: assumed[name] for name in TRANSFORM if name in assumed}:
        said += f"; nothing states their {_listed(transform)}: OpenAI's assumed ({_values(transform)})"
    return said


def assumption_remark(model: str, note: str, assumed: Mapping[str, Any]) -> str:
    """Published weights of the model that were trained with something else than what is assumed, and what to do if the
    file holds them; empty where there are none.

    Arguments:
        model: open_clip's name of the model.
        note: the weights in words.
        assumed: of the fields that nothing tells (ACTIVATION and those of TRANSFORM) what was taken.
    """
    tags_of: dict[str, list[str]] = {}
    for tag in list_pretrained_tags_by_model(model):
        known = _trained_with(model, tag)
        differing = {name: known[name] for name, taken in assumed.items() if not _same(known[name], taken)}
        if differing:
            tags_of.setdefault(json.dumps(differing), []).append(tag)
    if not tags_of:
        return ""
    in_doubt = {name: assumed[name] for name in assumed if any(name in json.loads(fields) for fields in tags_of)}
    others = [f"{', '.join(tags)} ({_values(json.loads(fields))})" for fields, tags in tags_of.items()]
    first, tags = next(iter(tags_of.items()))
    return (
        f"{note}: nothing states its {_listed(in_doubt)}; taken: {_values(in_doubt)}. But published weights of "
        f"{model} were trained otherwise: {'; '.join(others)}. If the file holds one of these, put an "
        f"open_clip_config.json next to it, e.g. for {tags[0]}: {json.dumps(_as_stored(json.loads(first)))}"
    )


def _trained_with(model: str, tag: str) -> dict[str, Any]:
    known = get_pretrained_cfg(model, tag)
    return {**merge_preprocess_dict(asdict(PreprocessCfg()), known), ACTIVATION: bool(known.get(ACTIVATION, False))}


def _same(one: Any, other: Any) -> bool:
    """Tuples are equal to lists of the same numbers."""
    return json.dumps(one) == json.dumps(other)


def _as_stored(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as an open_clip_config.json has them."""
    transform = {name: value for name, value in fields.items() if name != ACTIVATION}
    parts = {"model_cfg": {ACTIVATION: fields.get(ACTIVATION)}, "preprocess_cfg": transform}
    return {name: part for name, part in parts.items() if any(value is not None for value in part.values())}


def _values(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{_word(name)} {_in_words(name, value)}" for name, value in fields.items())


def _in_words(name: str, value: Any) -> str:
    if name == ACTIVATION:
        return "QuickGELU" if value else "GELU"
    return " ".join(f"{number:.3g}" for number in value) if name in ("mean", "std") else str(value)


def _listed(names: Iterable[str]) -> str:
    *rest, last = map(_word, names)
    return f"{', '.join(rest)} and {last}" if rest else last


def _word(name: str) -> str:
    return "activation" if name == ACTIVATION else name
