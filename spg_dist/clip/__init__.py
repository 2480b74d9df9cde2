"""The frozen CLIP: weights, image tower's identity, text features of soft prompts."""
