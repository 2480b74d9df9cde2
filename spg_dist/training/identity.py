"""What a trained run is known by: a digest of all that its result is meant to depend on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from blake3 import blake3

THREADS_OF_VERSION_0_1_0 = range(1, 257)


@dataclass(frozen=True)
class RunIdentity:
    """The identity of one run. Threads, processor and versions move last bits at most: they are its provenance.

    Arguments:
        record: all that determines the result, as plain values.
        clip: digest of the CLIP whose features are learned from, which the record holds in parts: whoever uses the
            result compares it with the one at hand.
        network: what the weights are of, where they do not say it themselves; written into the run's file.
    """

    record: dict[str, Any]
    clip: str = ""
    network: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        return _digest(self.record)

    def is_known_as(self, stored: str | None) -> bool:
        """Whether a file with this digest is of this run, written by this version or by 0.1.0."""
        return stored == self.digest or stored in self._former_digests

    @cached_property
    def _former_digests(self) -> frozenset[str]:
        """Version 0.1.0 took the number of threads for a part of the identity."""
        return frozenset(_digest({**self.record, "threads": threads}) for threads in THREADS_OF_VERSION_0_1_0)


def _digest(record: dict[str, Any]) -> str:
    return blake3(json.dumps(record, sort_keys=True).encode()).hexdigest(length=16)
