"""Running a part of a test in a forked child, where it may drop its rights or limit itself."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable


def in_child(action: Callable[[], None]) -> None:
    """Run `action` in a forked child; fails with the child's traceback when it raises."""
    receive, send = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(receive)
        try:
            action()
        except BaseException:
            os.write(send, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive) as report:
        text = report.read()
    os.waitpid(process, 0)
    assert not text, f"in the child process:\n{text}"
