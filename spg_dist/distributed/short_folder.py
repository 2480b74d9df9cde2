"""A folder for Ray's sockets, whose paths the operating system limits to 107 characters."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

LONGEST = 30
"""Ray adds up to 75 characters: the names of its session and of a socket."""

OTHERS = ("/tmp", "/var/tmp")


def folder_for_sockets() -> Path:
    """The folder for temporary files if its path is short enough, else another. Raises OSError where there is none."""
    usual = tempfile.gettempdir()
    for place in (usual, *OTHERS):
        if len(os.fsencode(place)) <= LONGEST and os.access(place, os.W_OK | os.X_OK):
            return Path(place)
    raise OSError(
        f"Ray needs a folder for its sockets with a path of at most {LONGEST} characters, but TMPDIR is {usual} and "
        f"none of {', '.join(OTHERS)} can be written: set TMPDIR to a shorter one"
    )
