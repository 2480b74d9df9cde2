"""Train one run of an experiment, wherever this is called."""

from __future__ import annotations

from spg_dist.config import Config
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import PROMPT_LABEL, RunSpec
from spg_dist.methods.registry import TRAINED
from spg_dist.training import TrainedRun, TrainingDiverged, read_trained, train
from spg_dist.training.loop import EpochReport


def train_run(experiment: Experiment, spec: RunSpec, report: EpochReport) -> TrainedRun:
    """Train a run, go on with it, or find it finished.

    Raises:
        TrainingDiverged: naming the run.
    """
    method = TRAINED[spec.method]
    trainable, identity = method.training(experiment, spec)
    config, folder = experiment.config, experiment.folder
    # a prompt label is always its own domain's best: the selection rule is about what is tested
    keep_last = config.selection == "last" and spec.method != PROMPT_LABEL
    try:
        return train(
            trainable,
            identity,
            folder.artifact(spec),
            folder.checkpoint(spec),
            report,
            config.execution.checkpoint_seconds,
            keep="last" if keep_last else "best",
        )
    except TrainingDiverged as error:
        raise TrainingDiverged(f"{spec.name}: {error}, e.g. {method.section}.learning_rate=1e-4") from error


def unfinished(experiment: Experiment, specs: list[RunSpec]) -> list[RunSpec]:
    """The runs whose file is not there yet, or is that of other settings, data or features."""
    return [spec for spec in specs if not _is_finished(experiment, spec)]


def _is_finished(experiment: Experiment, spec: RunSpec) -> bool:
    artifact = experiment.folder.artifact(spec)
    if not artifact.exists():
        return False
    _, identity = TRAINED[spec.method].training(experiment, spec)
    return read_trained(artifact).identity == identity


def epochs_of(config: Config, specs: list[RunSpec]) -> int:
    """Epochs of all runs together, for a progress bar."""
    return sum(int(getattr(config, TRAINED[spec.method].section).epochs) for spec in specs)
