"""Paths read from files stay in the folder that they are joined to."""

from __future__ import annotations


def escapes(path: str) -> bool:
    """Whether a path read from a file could leave the folder that it is joined to (on any operating system)."""
    return path.startswith("/") or "\\" in path or ":" in path.split("/")[0] or ".." in path.split("/")
