"""Sweeps over the hyperparameters of both stages, on features that are encoded once: Ray Tune and Optuna."""
