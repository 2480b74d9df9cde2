"""Configuration: the typed tree, presets, command line."""

from spg_dist.config.command_line import dump_config, load_config, parse_config
from spg_dist.config.tree import Config, EvaluationConfig, ExecutionConfig, config_class

__all__ = [
    "Config",
    "EvaluationConfig",
    "ExecutionConfig",
    "config_class",
    "dump_config",
    "load_config",
    "parse_config",
]
