"""Classifiers over image features, learned by cross-entropy: what linear probe, CoCoOp and DPL have in common."""
