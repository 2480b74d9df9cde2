"""Ctrl-C, a kill and a closed terminal, answered alike: one line and status 130, from a program's first moment on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

STOPPED = 130
FAREWELL = "\nstopped: the same command goes on from here\n"
# a closed terminal is no stop for who was started with nohup
_HANGUP = (signal.SIGHUP,) if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else ()
STOPS = (signal.SIGINT, signal.SIGTERM, *_HANGUP)
STDERR = 2


def stop_in_one_line() -> None:
    """From now on a stop ends the process at once: for the start of a program, whose imports take seconds.

    Nothing has been begun that must be ended in order, and whoever imports might swallow an exception.
    """
    _answer_with(_leave)


@contextmanager
def stops_as_keyboard_interrupt() -> Iterator[None]:
    """A stop raises KeyboardInterrupt, so that what was begun is ended in order."""
    with handlers_kept():
        _answer_with(signal.default_int_handler)
        yield


@contextmanager
def stops_ignored() -> Iterator[None]:
    """A second, impatient Ctrl-C does not disturb what ends here, which takes seconds at most."""
    with handlers_kept():
        _answer_with(signal.SIG_IGN)
        yield


def say(text: str) -> None:
    """A last word on standard error, if there is still somebody to read it: the terminal may be gone."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def say_stopped() -> None:
    """The one line. The rest of a program that began with `stop_in_one_line` is its end: nothing disturbs it."""
    say(FAREWELL)
    if signal.getsignal(signal.SIGINT) is _leave:
        _answer_with(signal.SIG_IGN)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """What is called here may set handlers of its own; afterwards those of before are back."""
    before = {number: signal.getsignal(number) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            _answer_with(handler, (number,))


def _answer_with(handler: Callable[..., Any] | int | None, stops: tuple[signal.Signals, ...] = STOPS) -> None:
    if threading.current_thread() is threading.main_thread():  # only it may
        for number in stops:
            signal.signal(number, handler)


def _leave(*_: object) -> None:
    with suppress(OSError):
        os.write(STDERR, FAREWELL.encode())
    os._exit(STOPPED)
