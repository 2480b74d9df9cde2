"""Train one run of an experiment, wherever this is called."""

from __future__ import annotations

from collections.abc import Callable

from spg_dist.config import Config
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.coop import coop_training
from spg_dist.methods.prompt_label import prompt_label_training
from spg_dist.methods.spg import generator_training
from spg_dist.training import Trainable, TrainedRun, TrainingDiverged, read_trained, train
from spg_dist.training.loop import EpochReport

TRAININGS: dict[str, Callable[[Experiment, RunSpec], tuple[Trainable, str]]] = {
    "prompt-label": prompt_label_training,
    "coop": coop_training,
    "spg": generator_training,
}


def train_run(experiment: Experiment, spec: RunSpec, report: EpochReport) -> TrainedRun:
    """Train a run, go on with it, or find it finished.

    Raises:
        TrainingDiverged: naming the run.
    """
    trainable, identity = TRAININGS[spec.method](experiment, spec)
    folder = experiment.folder
    try:
        return train(
            trainable,
            identity,
            folder.artifact(spec),
            folder.checkpoint(spec),
            report,
            experiment.config.execution.checkpoint_seconds,
        )
    except TrainingDiverged as error:
        section = {"prompt-label": "stage1", "coop": "coop", "spg": "stage2"}[spec.method]
        raise TrainingDiverged(f"{spec.name}: {error}, e.g. {section}.learning_rate=1e-4") from error


def unfinished(experiment: Experiment, specs: list[RunSpec]) -> list[RunSpec]:
    """The runs whose file is not there yet, or is that of other settings, data or features."""
    return [spec for spec in specs if not _is_finished(experiment, spec)]


def _is_finished(experiment: Experiment, spec: RunSpec) -> bool:
    artifact = experiment.folder.artifact(spec)
    if not artifact.exists():
        return False
    _, identity = TRAININGS[spec.method](experiment, spec)
    return read_trained(artifact).identity == identity


def epochs_of(config: Config, specs: list[RunSpec]) -> int:
    """Epochs of all runs together, for a progress bar."""
    epochs = {"prompt-label": config.stage1.epochs, "coop": config.coop.epochs, "spg": config.stage2.epochs}
    return sum(epochs[spec.method] for spec in specs)
