"""Classifiers over image features, learned by cross-entropy: what several methods share."""
