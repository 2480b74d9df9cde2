"""Leases: who is encoding which images now, so that jobs that fill one cache at once do not encode an image twice.

They only save work. A cache is right without them: shards are immutable and of two rows of one image one counts.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from cache.errors import CacheError
from cache.locks import locked

LEASES_FOLDER = "leases"
LOCK_FILE = ".lock"
DEFAULT_TTL_SECONDS = 120.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """A claim on images that are missing; a context manager that gives it back at its end.

    Args:
        digests: the images that are yours to encode, in the order asked; nobody else gets them while you live.
        elsewhere: images that are missing too, but that another live process is encoding.
    """

    digests: tuple[str, ...]
    elsewhere: tuple[str, ...]
    _beat: _Heartbeat | None

    def release(self) -> None:
        """Give it back: what is still missing of it can be claimed by others."""
        if self._beat is not None:
            self._beat.stop()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class LeaseBook:
    """The leases of one cache, in its folder `leases`. The folder's filesystem must honour file locks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self, digests: Sequence[str], missing: Callable[[Sequence[str]], list[str]], ttl_seconds: float) -> Lease:
        """Claim what of `digests` is missing and in nobody's hands.

        Args:
            digests: N image digests.
            missing: tells which of some digests have no row yet; asked under the lock, so that what another process
                has just finished is not claimed.
            ttl_seconds: a lease whose owner is on another machine expires when it was not renewed for so long;
                on this machine it expires when its owner dies.
        """
        if ttl_seconds <= 0:
            raise CacheError(f"ttl_seconds is {ttl_seconds}; expected a positive time")
        with locked(self._folder / LOCK_FILE):
            held = self._held()
            todo = missing(digests)
            mine = tuple(digest for digest in todo if digest not in held)
            elsewhere = tuple(digest for digest in todo if digest in held)
            return Lease(mine, elsewhere, self._start(mine, ttl_seconds) if mine else None)

    def live(self) -> int:
        """How many leases are held by living owners; expired ones are removed."""
        if not self._folder.is_dir():
            return 0
        with locked(self._folder / LOCK_FILE):
            self._held()
            return len(self._files())

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.json"))

    def _start(self, digests: tuple[str, ...], ttl_seconds: float) -> _Heartbeat:
        name = secrets.token_hex(8)
        body = {"owner": _me(), "ttl_seconds": ttl_seconds, "digests": digests}
        temporary, path = self._folder / f".tmp-{os.getpid()}-{name}", self._folder / f"{name}.json"
        temporary.write_text(json.dumps(body), encoding="utf-8")
        temporary.replace(path)
        return _Heartbeat(path, ttl_seconds / 4)

    def _held(self) -> set[str]:
        """All images in living hands. Call under the lock."""
        lock = self._folder / LOCK_FILE
        os.utime(lock)  # the filesystem's clock, which also stamps the heartbeats, not this machine's
        now = lock.stat().st_mtime
        held: set[str] = set()
        for path in self._files():
            try:
                body, beaten = json.loads(path.read_text(encoding="utf-8")), path.stat().st_mtime
            except FileNotFoundError:
                continue  # given back meanwhile
            except ValueError:
                body, beaten = None, 0.0  # torn by a power cut: nobody owns it
            if body is None or _expired(body, now - beaten):
                path.unlink(missing_ok=True)
            else:
                held.update(body["digests"])
        return held


def _expired(body: dict[str, Any], silent_seconds: float) -> bool:
    owner = body["owner"]
    if owner["machine"] == _machine():
        return bool(_started(int(owner["process"])) != owner["started"])
    return bool(silent_seconds > float(body["ttl_seconds"]))


def _me() -> dict[str, Any]:
    return {
        "machine": _machine(),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "started": _started(os.getpid()),
    }


@cache
def _machine() -> str:
    """Where a process number means something: this boot of this kernel and, in a container, its process table."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()}/no-proc"


def _started(process: int) -> str | None:
    """When a process began, in the kernel's ticks, so that a reused number is not mistaken for it; None where dead."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = status.rpartition(")")[2].split()
        return None if state in "ZX" else fields[18]
    except OSError:
        return "alive" if not Path("/proc/self").exists() and _answers(process) else None


def _answers(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class _Heartbeat:
    """Renews a lease's file from a thread of its own until stopped."""

    def __init__(self, path: Path, every_seconds: float) -> None:
        self._path, self._every, self._owner = path, every_seconds, os.getpid()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cache-lease", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            try:
                os.utime(self._path)
            except FileNotFoundError:
                return  # taken for dead and removed; the work goes on, at worst done twice
            except OSError as error:
                _log.warning("lease %s could not be renewed, will try again: %s", self._path, error)

    def stop(self) -> None:
        self._stopped.set()
        if self._owner == os.getpid():
            self._path.unlink(missing_ok=True)
