"""What a report is made of. Whoever ran the experiment fills a `ReportInput`; nothing here reads a run's folder."""

from __future__ import annotations

from dataclasses import dataclass, field

from spg_dist.evaluation.results import ResultRow
from spg_dist.progress.costs import Costs


@dataclass(frozen=True)
class Curve:
    """One training run's history.

    Arguments:
        method: "prompt-label" (stage 1), "spg", "coop", ...: the curves of one method share a row of panels.
        run: what the run goes by: the domain that a prompt was learned on, the target that was left out, ...
        seed: the run's seed.
        series: name → one value an epoch, such as {"loss", "val_accuracy"} or {"g_loss", "d_loss", "val_accuracy"};
            accuracies in percent. Values that are not finite leave a gap in the plot.
        run_means: what `run` is, for the legend: "target left out", "trained on". The same for all runs of a method.
    """

    method: str
    run: str
    seed: int
    series: dict[str, list[float]]
    run_means: str = ""


@dataclass(frozen=True)
class Projection:
    """Generated prompts in two dimensions.

    Arguments:
        title: what was projected.
        points_N2: one (first, second) component for each of N prompts.
        domain_N: the domain of the image that each prompt was generated for.
        unseen: those of the domains that the generator never saw.
        explained: shares of the variance on the two components, 0 to 1.

    Raises ValueError if the two lists differ in length.
    """

    title: str
    points_N2: list[tuple[float, float]]
    domain_N: list[str]
    unseen: tuple[str, ...]
    explained: tuple[float, float]

    def __post_init__(self) -> None:
        if len(self.points_N2) != len(self.domain_N):
            raise ValueError(
                f"projection {self.title!r}: {len(self.points_N2)} points but {len(self.domain_N)} domains; "
                "expected one domain for each point"
            )


@dataclass(frozen=True)
class Sample:
    """A test image with what each method took it for.

    Arguments:
        domain: the target that it belongs to.
        truth: its class.
        predictions: method → class.
        jpeg: a thumbnail, some 160 pixels wide.
        trained_on: the one domain that the methods were trained on (single-source), else empty. The same for all
            samples of a domain.
    """

    domain: str
    truth: str
    predictions: dict[str, str]
    jpeg: bytes
    trained_on: str = ""


@dataclass(frozen=True)
class ReportInput:
    """All that a report shows; every list and dictionary may be empty.

    Arguments:
        name: the run's name.
        rows: the measured results.
        facts: label → text for the head. "weights", "views" and "noise" are looked for by these names (in any case);
            the head says "not stated" where they are absent. Any other fact is listed after them.
        curves: training histories.
        projections: generated prompts in two dimensions.
        samples: test images with predictions.
        set_aside: (image id, reason) of the images that could not be used.
        costs: what each phase took, in all jobs of the run.
        config_yaml: the whole resolved configuration.
        selection: the rule that chose each model, "source-val".
        random_weights: the encoder was never trained, so that no accuracy here means anything for the paper.
        comparable: data and weights are those of the paper (OpenAI's weights, the full data set), so that its
            figures may stand beside these.
        warnings: sentences that must be read before the figures; random weights need none, they are warned of anyway.
        remarks: sentences under the results, such as which method was left out and why.
    """

    name: str
    rows: list[ResultRow]
    facts: dict[str, str]
    curves: list[Curve]
    projections: list[Projection]
    samples: list[Sample]
    set_aside: list[tuple[str, str]]
    costs: Costs
    config_yaml: str
    selection: str
    random_weights: bool
    comparable: bool
    warnings: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
