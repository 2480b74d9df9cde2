"""The frozen CLIP: weights, image tower's identity, text features of soft prompts."""

from spg_dist.clip.quick_import import import_quickly

import_quickly()
