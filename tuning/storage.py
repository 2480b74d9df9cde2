"""A study's file: SQLite, opened so that other tools may use it at the same time, and refused in one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError

LOCKED_SECONDS = 120.0
"""A dashboard or a backup may hold the file for a while."""


def open_storage(path: Path) -> RDBStorage:
    """The storage of a study's file, made if it is not there.

    Raises:
        ValueError: it was made by an Optuna of another schema, or is no study.
        OSError: another program keeps it locked, or it cannot be written.
    """
    # the connection is made from the path itself: as part of a URL, `?` and `%` in it would mean something else
    connect = partial(sqlite3.connect, path, timeout=LOCKED_SECONDS, check_same_thread=False)
    with storage_errors(path):
        try:
            return RDBStorage("sqlite:///study.db", engine_kwargs={"creator": connect})
        except RuntimeError as error:  # its schema is another; the message does not know where it is
            raise ValueError(
                f"{path} was made by another version of Optuna. Copy it first, then run: optuna storage upgrade "
                f"--storage sqlite:///{path}"
            ) from error


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """What SQLite says of a study's file becomes an OSError that names it, or a ValueError if it is no database."""
    try:
        yield
    except (DBAPIError, StorageInternalError) as error:
        said = _said_by_sqlite(error)
        if "locked" in said:
            reason = f"has been locked by another program for {LOCKED_SECONDS:.0f} s: close the dashboard or the backup"
        elif "not a database" in said or "malformed" in said:
            raise ValueError(
                f"{path} is damaged ({said}): restore a copy, or delete it and start the sweep over"
            ) from error
        else:
            reason = f"cannot be used ({said}): check who may write there and how much room is left"
        raise OSError(f"{path} {reason}, then run the same command again; finished trials are kept") from error


def _said_by_sqlite(error: BaseException) -> str:
    while not isinstance(error, sqlite3.Error) and error.__cause__:
        error = error.__cause__
    return str(error)
