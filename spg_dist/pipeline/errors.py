"""The user's errors as one clear message, the program's own as a traceback."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from spg_dist.interruption import STOPPED, say_stopped, stops_as_keyboard_interrupt

FAILED = 1


@contextmanager
def reported_errors() -> Iterator[None]:
    """What a user can fix becomes one message and exit status 1, a stop status 130; the rest stays a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else a notebook's
            stream.reconfigure(errors="backslashreplace")  # no letter of a name is a reason to fail at the last line
    try:
        with stops_as_keyboard_interrupt():
            yield
    except ValueError as error:
        sys.stderr.write(f"\nerror: {error}\n")
        sys.exit(FAILED)
    except OSError as error:
        sys.stderr.write(f"\nerror: {_in_words(error)}\n")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        say_stopped()
        sys.exit(STOPPED)


def _in_words(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = f" while writing {error.filename}" if error.filename else ""
        what = (
            "the disk is full" if error.errno == errno.ENOSPC else f"a limit on disk use was reached ({error.strerror})"
        )
        return f"{what}{where}: free some space, then run the same command again; finished work is kept"
    if error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}. Check the path and who may read and write there"
    return str(error)
