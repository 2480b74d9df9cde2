"""What a report is made of. Whoever ran the experiment fills a `ReportInput`; nothing here reads a run's folder."""

from __future__ import annotations

from dataclasses import dataclass

from spg_dist.evaluation.results import ResultRow


@dataclass(frozen=True)
class Curve:
    """One training run's history.

    Arguments:
        method: "stage1", "spg", "coop", ...: the curves of one method share a row of panels.
        run: the domain that a prompt was learned on, or the target that was left out.
        seed: the run's seed.
        series: name → one value an epoch, such as {"loss", "val_accuracy"} or {"g_loss", "d_loss", "val_accuracy"};
            accuracies in percent. Values that are not finite leave a gap in the plot.
    """

    method: str
    run: str
    seed: int
    series: dict[str, list[float]]


@dataclass(frozen=True)
class Projection:
    """Generated prompts in two dimensions.

    Arguments:
        title: what was projected.
        points_N2: one (first, second) component for each of N prompts.
        domain_N: the domain of the image that each prompt was generated for.
        target: the domain that the generator never saw.
        explained: shares of the variance on the two components, 0 to 1.

    Raises ValueError if the two lists differ in length.
    """

    title: str
    points_N2: list[tuple[float, float]]
    domain_N: list[str]
    target: str
    explained: tuple[float, float]

    def __post_init__(self) -> None:
        if len(self.points_N2) != len(self.domain_N):
            raise ValueError(
                f"projection {self.title!r}: {len(self.points_N2)} points but {len(self.domain_N)} domains; "
                "expected one domain for each point"
            )


@dataclass(frozen=True)
class Sample:
    """A test image with what each method took it for. `jpeg` holds a thumbnail, some 160 pixels wide."""

    domain: str
    truth: str
    predictions: dict[str, str]
    jpeg: bytes


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
        timings: phase → wall seconds.
        config_yaml: the whole resolved configuration.
        selection: the rule that chose each model, "source-val".
        random_weights: the encoder was never trained, so that no accuracy here means anything for the paper.
        comparable: data and weights are those of the paper (OpenAI's weights, the full data set), so that its
            figures may stand beside these.
    """

    name: str
    rows: list[ResultRow]
    facts: dict[str, str]
    curves: list[Curve]
    projections: list[Projection]
    samples: list[Sample]
    set_aside: list[tuple[str, str]]
    timings: dict[str, float]
    config_yaml: str
    selection: str
    random_weights: bool
    comparable: bool
