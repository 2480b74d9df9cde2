"""Soft Prompt Generation on frozen CLIP features: the method and its evaluation."""

__version__ = "0.2.0"
