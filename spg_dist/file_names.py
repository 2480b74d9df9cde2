"""Names of files: those that we find, as text that every file of ours can hold, and names for those that we write."""

from __future__ import annotations

import hashlib
import os
import re

_ODD = re.compile(r"[\x00-\x1f\x7f\\\udc80-\udcff]|<(?=[0-9A-F]{2}>)")
_WRITTEN = re.compile(r"(?:<[0-9A-F]{2}>)+")
MAX_BYTES = 80
"""Of a name within the name of a file, of which file systems take 255: up to two names and some words of ours."""


def to_text(path: str) -> str:
    """The path with `<FC>` for the byte 0xFC; most paths stay as they are.

    Written like this are bytes that are not UTF-8 (from a Latin-1 archive: Python reads them as lone surrogates, which
    no table or page takes), control characters, backslashes, and what already looks like it.
    """
    if path.isascii() and path.isprintable() and "\\" not in path and "<" not in path:
        return path  # four times as fast, and there may be a million
    return _ODD.sub(lambda found: f"<{ord(found[0]) & 0xFF:02X}>", path)


def from_text(text: str) -> str:
    """The path on disk of a text that `to_text` made."""
    return _WRITTEN.sub(
        lambda found: bytes.fromhex(found[0].strip("<>").replace("><", "")).decode("utf-8", "surrogateescape"), text
    )


def require_utf8(name: str, what: str) -> None:
    """Raises ValueError where a name cannot be written into a file, page or table.

    Arguments:
        what: what has the name, at the start of the sentence: "the class folder".
    """
    try:
        os.fsencode(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{what} {to_text(name)} has a name that is not UTF-8 (it may come from an old archive): rename it, "
            f"e.g. with convmv -f latin1 -t utf8 -r --notest"
        ) from error


def file_name(name: str) -> str:
    """The name of a domain or data set within the name of a file: itself, or shortened with a digest.

    Two names never get the same, and a result is its own file name.
    """
    if len(name.encode()) <= MAX_BYTES and "/" not in name and name[:1] not in ("", "."):
        return name
    words = name.replace("/", "_").lstrip(".").encode()[: MAX_BYTES - 18].decode(errors="ignore")
    return f"{words}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"
