"""A sweep, step by step: the search, the final test of the defaults and of the best configuration, the files."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from cache.durable import write_text
from spg_dist.config import Config, dump_config
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.one_job import only_job
from spg_dist.methods import METHODS, check_settings, settings_of
from spg_dist.pipeline.executor import Executor
from spg_dist.pipeline.report_facts import warnings_of_run
from spg_dist.progress import Display
from tuning.final import adopt, final_test
from tuning.folder import SWEEPS_ELSEWHERE, SweepFolder, open_sweep
from tuning.outputs import without_sweep, write_best, write_trials
from tuning.report import report_of, write_sweep_report
from tuning.space_files import load_space
from tuning.spaces import Range, Space, with_values
from tuning.storage import open_storage, storage_errors
from tuning.study import SweepStudy, planned_points
from tuning.table import TrialTable
from tuning.trial import trial_config


@dataclass(frozen=True)
class Sweep:
    """A sweep that was checked and can start."""

    space: Space

    def run(self, builder: ExperimentBuilder, executor: Executor, display: Display) -> ExperimentBuilder:
        """Search, test, write the sweep's files; returns the experiment under the best configuration.

        The best configuration and its finished runs are put into the experiment's folder.

        Raises:
            ValueError: another job works on this sweep, it has other settings, or no trial succeeded.
        """
        config = builder.config
        _check_prompts(builder, self.space)
        with (
            open_sweep(trial_config(config), self.space, builder.views) as folder,
            storage_errors(folder.study),
        ):
            study = SweepStudy(folder.study, config.name, self.space, config.tune, self.space.point_of(config))
            self._search(study, builder, folder, executor, display)
            best = study.best()
            if best is None:
                raise ValueError(_nothing_succeeded(study, folder))
            tuned = with_values(config, self.space.values(best.params))
            write_best(folder.best, tuned)
            failed = study.trials()[0].user_attrs.get("reason")
            if failed:  # its generators would fail again, and all trials with them
                display.say(
                    f"warning: the given configuration itself failed, so it is left out of the final test: {failed}"
                )
            defaults = None if failed else final_test(builder, 0, config, folder, "defaults", executor, display)
            chosen = final_test(builder, best.number, tuned, folder, "best", executor, display)
            material = builder.build(device="cpu")
            clip, warnings = material.clip, warnings_of_run(material)
            write_sweep_report(
                folder.report,
                report_of(study, config, builder.manifest, clip.name, clip.random_weights, defaults, chosen, warnings),
            )
            for number in (0, best.number):  # their weights are in the final folders now
                folder.discard(number)
            for path in (folder.trials, folder.best, folder.study, folder.report):
                display.say(f"{path.name}: {path}")
            return _under(builder, without_sweep(tuned), folder)

    def _search(
        self, study: SweepStudy, builder: ExperimentBuilder, folder: SweepFolder, executor: Executor, display: Display
    ) -> None:
        from spg_dist.distributed.executor import RayExecutor  # Ray takes seconds to import: only where it is used
        from tuning.search import search

        assert isinstance(executor, RayExecutor), "plan_sweep refuses the local backend"
        display.say(f"{folder.root}: {study.finished} of {study.total} trials finished before")
        table = TrialTable(study, folder, display)
        search(study, replace(builder, config=trial_config(builder.config)), folder, executor, table.changed)
        write_trials(folder.trials, study)
        table.show()


def plan_sweep(config: Config) -> Sweep:
    """Check what a sweep is asked to do. Raises ValueError before any work was done."""
    tune = config.tune
    if tune.trials == 0:
        raise ValueError("tune.trials is 0: say how many configurations to try, e.g. tune.trials=20")
    if config.execution.backend != "ray":
        raise ValueError("a sweep runs on Ray: leave out execution.backend=local, or tune.trials")
    if config.selection == "oracle":
        raise ValueError("selection is oracle, which looks at the targets: a sweep must not. Take selection=source-val")
    if tune.method not in config.methods:
        raise ValueError(
            f"methods is {list(config.methods)}, but the sweep is for {tune.method}: add it, or leave out tune.trials"
        )
    space = load_space(tune.space, config)
    searched = [name for dimension in space.dimensions for name in dimension.fields]
    tuned = METHODS[tune.method]
    imported = {f"{method.branch}." for method in tuned.needed if method not in tuned.needs(config)}
    if any(name.startswith(tuple(imported)) for name in searched):
        raise ValueError(
            f"space {tune.space} searches stage 1, but prompt_labels={config.prompt_labels} takes its place: take "
            f"tune.space=gan, or leave out prompt_labels"
        )
    planned_points(space, tune, space.point_of(config))
    study = SweepFolder.of(config).study
    if study.exists():
        open_storage(study).engine.dispose()  # what is wrong with it is said before images and CLIP are prepared
    with only_job(SweepFolder.of(config).root, SWEEPS_ELSEWHERE):  # leaves nothing: encoding comes first
        return Sweep(space)


def _check_prompts(builder: ExperimentBuilder, space: Space) -> None:
    """Prompts that no trial could train are refused now: too long beside a class name, or unlike their text."""
    material = builder.build(device="cpu")
    tuned = METHODS[builder.config.tune.method]
    methods = (*tuned.needed, tuned)
    fields = [f"{method.branch}.{name}" for method in methods for name in ("n_ctx", "initial_text")]
    searched = [name for dimension in space.dimensions for name in dimension.fields if name in fields]
    axes = []
    for dimension in space.dimensions:
        if not set(fields) & set(dimension.fields):
            continue
        domain = dimension.domain
        values = [(n,) for n in range(int(domain.low), int(domain.high) + 1)] if isinstance(domain, Range) else None
        options = values or list(domain.values if not isinstance(domain, Range) else ())
        axes.append([dict(zip(dimension.fields, option, strict=True)) for option in options])
    for combination in itertools.product(*axes):
        chosen = {name: value for part in combination for name, value in part.items()}
        config = with_values(builder.config, chosen)
        for method in methods:
            settings = settings_of(config, method)
            try:
                if length := method.context_length(settings):
                    material.encoder(length)
                check_settings(config, material, method)
            except ValueError as error:
                raise ValueError(f"space {space.source}, {', '.join(searched)}: {error}") from error


def _under(builder: ExperimentBuilder, config: Config, folder: SweepFolder) -> ExperimentBuilder:
    """The experiment under another configuration, with what the sweep has trained of it."""
    mine = replace(builder, config=config)
    adopt(folder.final("best"), builder.folder, mine.plan.trainings)
    write_text(builder.folder.config, dump_config(config))
    return mine


def _nothing_succeeded(study: SweepStudy, folder: SweepFolder) -> str:
    reasons = [trial.user_attrs["reason"] for trial in study.trials() if "reason" in trial.user_attrs]
    return (
        f"none of {study.finished} trials was completed; the first failed with {reasons[0]!r}. "
        f"All reasons: {folder.trials}"
    )
