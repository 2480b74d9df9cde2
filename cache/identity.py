"""cache.json, the file that says what a cache's folder is, and the notes beside it on who filled and used it."""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from xxhash import xxh3_64_hexdigest

from cache.errors import CacheError, DamagedShardError
from cache.folder import Folder
from cache.key import LAYOUT_VERSION, FeatureKey
from cache.sealed import seal, unseal

FORMAT = "spg-dist feature cache"
IDENTITY_FILE = "cache.json"
USED_FILE = "last-used.txt"
PROVENANCE_FOLDER = "provenance"
STAMP_EVERY = timedelta(minutes=10)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """What cache.json says: the key, the store, when (ISO 8601, UTC) and with what versions it was made.

    The store is a name; it may be one that is not known here, because its plugin or package is missing.
    """

    key: FeatureKey
    store: str
    created: str
    versions: dict[str, str]

    def to_json(self) -> bytes:
        body = {"format": FORMAT, "layout": self.key.layout, "store": self.store, "key": self.key.as_dict()}
        return seal(body | {"created": self.created, "versions": self.versions})


def read_identity(folder: Folder) -> Identity | None:
    """What the folder says it is; None where it is no cache.

    Raises:
        CacheError: it is a cache of another layout version, or its cache.json is damaged.
    """
    where = f"{folder.where}/{IDENTITY_FILE}"
    try:
        data = folder.read(IDENTITY_FILE)
    except FileNotFoundError:
        return None
    _refuse_other_formats(data, folder.where, where)
    try:
        body = unseal(data, where)
    except DamagedShardError as error:
        raise DamagedShardError(f"{error}; run `spg-dist cache repair` on this cache", where) from None
    if not isinstance(body.get("store"), str) or not isinstance(body.get("key"), dict):
        raise CacheError(f"{where} names store {body.get('store')!r}; expected a store's name and a key")
    key = FeatureKey.from_dict(body["key"], where)
    return Identity(key, body["store"], str(body.get("created")), dict(body.get("versions") or {}))


def _refuse_other_formats(data: bytes, cache: str, where: str) -> None:
    """Before the checksum is looked at: another version may seal its file in another way."""
    try:
        body = json.loads(data)
    except ValueError:
        return  # damaged; the checksum will say so
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise CacheError(f"{where} is no {FORMAT}; use another cache root")
    if body.get("layout") != LAYOUT_VERSION:
        raise CacheError(
            f"{cache} is a cache of layout version {body.get('layout')}; this program reads version "
            f"{LAYOUT_VERSION}. Use the program that wrote it to export it to Parquet, and import that"
        )


def claim_identity(folder: Folder, key: FeatureKey, store: str) -> Identity:
    """Make sure that the folder is the cache of this key and store, writing cache.json where there is none.

    Raises:
        CacheError: the folder holds another cache.
    """
    if key.layout != LAYOUT_VERSION:
        raise CacheError(f"the key asks for layout version {key.layout}; this program writes version {LAYOUT_VERSION}")
    found = read_identity(folder)
    if found is None:
        folder.write(IDENTITY_FILE, Identity(key, store, now_text(), versions()).to_json())
        found = read_identity(folder)  # of two jobs that start at once, both must agree with what stands there now
        assert found is not None
    if found.key != key:
        raise CacheError(f"{folder.where} holds the cache of {found.key}; expected {key}. Was the folder renamed?")
    if found.store != store:
        raise CacheError(
            f"{folder.where} is kept as {found.store}, asked for as {store}; set cache.store={found.store}, or run "
            f"`spg-dist cache convert` to make it {store}"
        )
    return found


def note_provenance(folder: Folder, provenance: Mapping[str, Any]) -> None:
    """Record once who fills the cache: data set, backbone, whatever the job knows that is JSON."""
    try:
        text = json.dumps(dict(provenance), sort_keys=True)
    except TypeError as error:
        raise CacheError(f"provenance {dict(provenance)!r} cannot be kept: {error}; expected values of JSON") from None
    notes, name = folder.child(PROVENANCE_FOLDER), f"{xxh3_64_hexdigest(text.encode())}.json"
    if notes.size_bytes(name) is None:
        body = {"provenance": json.loads(text), "first_used": now_text(), "versions": versions()}
        _write_note(notes, name, seal(body))


def read_provenance(folder: Folder) -> list[dict[str, Any]]:
    """What `note_provenance` recorded, earliest first."""
    notes = folder.child(PROVENANCE_FOLDER)
    names = [name for name in notes.names() if name.endswith(".json")]
    bodies = [unseal(notes.read(name), f"{notes.where}/{name}") for name in names]
    return sorted(bodies, key=lambda body: str(body.get("first_used")))


def note_use(folder: Folder) -> None:
    """Stamp the time of use, at most every ten minutes: `gc` goes by it, because access times are often off."""
    used = last_used(folder)
    if used is None or datetime.now(UTC) - used > STAMP_EVERY:
        _write_note(folder, USED_FILE, now_text().encode())


def last_used(folder: Folder) -> datetime | None:
    """When the cache was last opened, None where it was never stamped."""
    try:
        return datetime.fromisoformat(folder.read(USED_FILE).decode().strip())
    except (FileNotFoundError, ValueError):
        return None


def _write_note(folder: Folder, name: str, data: bytes) -> None:
    try:
        folder.write(name, data)
    except CacheError as error:
        # Reading from a folder that one may not write, or on a full disk, is legitimate; only the note is lost.
        _log.info("use of the cache is not recorded: %s", error)


def now_text() -> str:
    """The time as ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Versions of what writes a cache."""
    libraries = {name: version(name) for name in ("numpy", "pyarrow", "lmdb")}
    return {"python": platform.python_version(), **libraries}
