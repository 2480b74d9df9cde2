"""Text files that people write or bring along."""

from __future__ import annotations

import codecs
from pathlib import Path

SHOWN_BYTES = 60  # on each side of what cannot be read


def read_user_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark, as Windows writes it; the mark is left out.

    Raises:
        ValueError: the file is neither; the message names it, the line, and the text there.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not whole UTF-16 text: save it as UTF-8") from error
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start + len(content) - len(error.object)  # the mark is not in what was decoded
        before, after = content[:at], content[at:]
        text = before[-SHOWN_BYTES:].split(b"\n")[-1] + after[:SHOWN_BYTES].split(b"\n")[0]
        line = before.count(b"\n") + 1
        raise ValueError(
            f"{path}, line {line}: {text.decode('utf-8', 'backslashreplace')!r} is not UTF-8 (0x{after[0]:02x}, as in "
            f"Latin-1): save the file as UTF-8"
        ) from error
