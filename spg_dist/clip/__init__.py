"""The frozen CLIP: weights, image tower's identity, text features of soft prompts."""

from spg_dist.clip.quick_import import leave_out_transformers

leave_out_transformers()
