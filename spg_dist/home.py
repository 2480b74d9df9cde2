"""Where outputs go when a path is relative: a Ray job's own current folder is a copy that vanishes with the job."""

from __future__ import annotations

import json
import os
import re
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlparse

from spg_dist.file_names import require_utf8


def in_ray_job() -> bool:
    """True inside a driver started by `ray job submit`."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def home() -> Path:
    """The folder that relative paths are resolved against.

    `SPG_HOME` if it is set; inside a Ray job the checkout that is installed in editable mode (PEP 610 records it);
    otherwise the current folder.
    """
    if os.environ.get("SPG_HOME"):
        return Path(os.environ["SPG_HOME"]).expanduser().resolve()
    if in_ray_job():
        checkout = _editable_checkout()
        if checkout is None:
            raise ValueError(
                "relative paths mean nothing inside a Ray job, whose current folder is deleted at its end: "
                "give absolute paths, or set SPG_HOME, e.g. "
                'ray job submit --runtime-env-json \'{"env_vars": {"SPG_HOME": "/data/spg"}}\''
            )
        return checkout
    return Path.cwd()


def resolve(path: str) -> Path:
    """An absolute path; a relative one is taken from `home()`, and `~` is the user's own home.

    Raises:
        ValueError: the path is a URI, is not UTF-8, or begins with the home of a user who is not there.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path):
        raise ValueError(f"{path} is no path of this machine: only cache.root may be a URI, such as s3://bucket/folder")
    try:
        given = Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path} cannot be resolved: there is no user {Path(path).parts[0].lstrip('~')!r}") from error
    resolved = given.resolve() if given.is_absolute() else (home() / given).resolve()
    require_utf8(str(resolved), "the folder or file")
    return resolved


def _editable_checkout() -> Path | None:
    try:
        text = metadata.distribution("spg-dist").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    record = json.loads(text) if text else {}
    url = urlparse(record.get("url", ""))
    if url.scheme != "file" or not record.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(url.path))
