"""Running a part of a test in a forked child, where it may drop its rights or limit itself."""

from __future__ import annotations

import ctypes
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


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def give_up_roots_rights() -> None:
    """From here on this process may do what an owner of files may, and no more.

    Its user stays the same: another one could not reach a checkout below a private folder, such as root's own home.
    """
    if os.geteuid() != 0:
        return
    version_3, nothing = 0x20080522, (ctypes.c_uint32 * 6)()
    header = _CapabilityHeader(version_3, 0)
    if ctypes.CDLL(None, use_errno=True).capset(ctypes.byref(header), nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")
