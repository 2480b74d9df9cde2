"""Bring an open_clip tag's weights to this machine, or say within seconds that it cannot be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from open_clip.pretrained import download_pretrained

ANSWER_SECONDS = 5


def fetch(tag: Mapping[str, Any], wanted: str) -> None:
    """Download what a tag names, if it is not here yet.

    Arguments:
        tag: open_clip's entry of the tag (`hf_hub`, `url`).
        wanted: the weights in words, for the message.

    Raises:
        ValueError: they cannot be fetched.
    """
    try:
        if tag.get("hf_hub"):
            require_hub(str(tag["hf_hub"]))
        download_pretrained(dict(tag))
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"cannot fetch {wanted}: {first_line(error)}. They would be kept in {constants.HF_HUB_CACHE}. Check the "
            f"network, or download the weights elsewhere and give the file: clip.pretrained=/path/to/weights"
        ) from error


def require_hub(place: str) -> None:
    """Ask the hub once, for the download itself asks six times, 40 s long. Nothing is asked for weights that are here.

    Raises:
        ConnectionError: no answer.
    """
    model_id, _, filename = place.rpartition("/")
    names = [filename] if filename else [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]
    if any(isinstance(try_to_load_from_cache(model_id, name), str) for name in names):
        return
    try:
        url = hf_hub_url(model_id, names[-1], endpoint=constants.ENDPOINT)
        get_hf_file_metadata(url, timeout=ANSWER_SECONDS)
    except HfHubHTTPError:
        return  # an answer, if not a good one: the download tells what is wrong
    except Exception as error:  # of the HTTP library, which has changed with the hub's versions
        raise ConnectionError(f"no answer from {constants.ENDPOINT} ({first_line(error)})") from error


def first_line(error: BaseException) -> str:
    """What an error says, without the lines of advice that libraries add."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
