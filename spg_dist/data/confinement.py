"""Paths read from files stay in the folder that they are joined to."""

from __future__ import annotations


def escapes(path: str) -> bool:
    """Whether a path read from a file could leave the folder that it is joined to (on any operating system)."""
    first, *rest = forward(path).split("/")
    return (not first and bool(rest)) or ":" in first or ".." in (first, *rest)


def forward(path: str) -> str:
    """A path with forward slashes, as which Windows' backslashes are read."""
    return path.replace("\\", "/")
