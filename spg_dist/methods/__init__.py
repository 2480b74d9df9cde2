"""Methods: one module each, which says what a method is called, can do and is set by, how it learns and predicts.

Every module here whose name does not begin with an underscore is a method; its object is `METHOD`. So is what an
installed package has as an entry point of the group `spg_dist.methods`, or a file given as `plugins=[my_method.py]`.
Nothing else knows a method's name. Modules are imported to read settings and abilities (`--help` does), so they import
torch, and what needs it, inside the functions that use it.

All methods learn from cached features alone. VP, VPT and MaPLe change what the image encoder computes, at every step
anew, so their features cannot be cached, and they are not here.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from cache.extensions import Table, modules_of

if TYPE_CHECKING:
    from torch import Tensor

    from spg_dist.config import Config
    from spg_dist.evaluation.prediction import ImageBatch, Predictor
    from spg_dist.material import Material
    from spg_dist.run import Run
    from spg_dist.training.loop import RunGroup

S = TypeVar("S")


class Method(Generic[S]):
    """What the rest of the program asks of a method; S is the class of its settings. One object serves all runs."""

    name: str
    """In `methods=[...]`, in every file and as the module's name, with dashes."""

    label: str
    """In tables and plots."""

    settings: type[Any] | None = None
    """Dataclass with the method's hyperparameters; None = it has none. With `epochs` it is trained epoch by epoch,
    without it in one go."""

    branch: str = ""
    """Of the configuration, where the settings stand."""

    shown_by_default: bool = False
    """Whether it stands in the table where `methods` is not given."""

    rank: int = 60
    """Place in tables, from the plainest (0) up."""

    colour: str = ""
    """In plots, e.g. `#0072b2`; empty = the next one that is free."""

    series_label: str = ""
    """Above its training curves; empty = the label."""

    former_names: Mapping[str, str] = MappingProxyType({})
    """What it was called in results of earlier versions → what the note of such a row is to say."""

    folder: str = ""
    """Of its trained runs, below the run's folder; empty = the name."""

    role: Literal["", "reference", "focus"] = ""
    """`reference` = what a report measures distances from; `focus` = the one whose place a report states."""

    trains: bool = True
    """False = nothing is learned and no file is written."""

    has_seeds: bool = True
    """False = it draws nothing at random, so it has one run instead of one for each seed."""

    by_domain: bool = False
    """Its runs learn one domain each and are shared by all runs of other methods that may see that domain."""

    reads_class_names: bool = True
    """False = it knows only the classes that it was trained on; the cross-dataset protocol leaves it out."""

    transductive: bool = False
    """It learns from the test images as a set, though from no label."""

    remark: str = ""
    """What its rows in a table say of it."""

    learns_from_left_out: bool = True
    """Whether it is trained on images that the published protocol keeps out of SPG's stage 2 and out of the test."""

    prompts_in_training: Literal["a step", "an image", "none"] = "none"
    """How many prompts with all class names go through the text tower, with a gradient."""

    prompt_for_each_image: bool = False
    """Whether validation and test send a prompt for each image through the text tower."""

    draws_noise: bool = False
    """Whether the test draws `test.draws` times."""

    chaotic: bool = False
    """Whether a last bit grows in training until it shows: on another processor its figures are others."""

    generates_prompts: bool = False
    """Whether `prompts` gives a prompt for each image, which a report draws."""

    templates: tuple[str, ...] = ()
    """Hand-written texts with `{}` for the class name, which must fit the text tower."""

    needed: tuple[Method[Any], ...] = ()
    """Methods by domain whose runs on its sources it learns from."""

    def needs(self, config: Config) -> tuple[Method[Any], ...]:
        """Those of `needed` that this configuration has trained, not imported."""
        return self.needed

    def epochs(self, settings: S) -> int:
        return int(getattr(settings, "epochs", 1))

    def context_length(self, settings: S) -> int | None:
        """Context tokens of the prompts that it learns; None where it learns none."""
        return None

    def check(self, material: Material, settings: S, of_needs: Sequence[Any] = ()) -> None:
        """Raise ValueError for settings that do not fit the data or the CLIP. Nothing is encoded yet: there are class
        names, domains and towers, but no features.

        Arguments:
            of_needs: settings of the methods that `needs` names.
        """

    def record(self, settings: S) -> dict[str, Any]:
        """The settings as plain values, as they enter a run's identity."""
        return {} if settings is None else asdict(settings)  # type: ignore[call-overload]

    def network(self, run: Run[S]) -> dict[str, Any]:
        """What the weights are of, where they do not say it themselves: plain values for the run's file."""
        return {}

    def identity(self, run: Run[S]) -> dict[str, Any]:
        """What determines the result apart from settings, seed, features, labels and splits; plain values."""
        return {}

    def training(self, run: Run[S]) -> Any:
        """What is trained: a `Trainable`, or whatever `group` makes a program of."""
        raise NotImplementedError(f"{self.name} does not train")

    def group(self, trainings: Sequence[Any]) -> RunGroup:
        """The program that trains several runs together."""
        from spg_dist.training.one_by_one import OneByOne

        return OneByOne(trainings)

    def together(self, training: Any) -> Hashable:
        """Trainings for which it is the same are one group."""
        return None

    def predictor(self, run: Run[S]) -> Predictor:
        """The trained run, ready to classify. `run.material` may be that of another data set than the run was trained
        on: then its classes are that data set's."""
        raise NotImplementedError

    def prompts(self, run: Run[S], images: ImageBatch) -> Tensor:
        """A prompt (B, P, W) for each image, on the features' device."""
        raise NotImplementedError(f"{self.name} generates no prompts")


METHODS: Table[Method[Any]] = Table("method", modules_of("spg_dist.methods"))
"""What can stand in the results table."""


def method_of(name: str) -> Method[Any]:
    """A method of the results table, or one that such a method needs. Raises ValueError where there is none."""
    if name not in METHODS:
        for method in METHODS:
            for needed in method.needed:
                if needed.name == name:
                    return needed
    return METHODS[name]


def in_focus() -> Method[Any]:
    """The method whose place a report states, and that a sweep tunes unless another is named."""
    return next(method for method in METHODS if method.role == "focus")


def branches() -> dict[str, Method[Any]]:
    """Branch of the configuration → the method that it sets."""
    every = (one for method in METHODS for one in (*method.needed, method))
    return {method.branch: method for method in every if method.branch}


def settings_of(config: Config, method: Method[Any]) -> Any:
    """A method's settings; None where it has none."""
    return getattr(config, method.branch) if method.branch else None


def check_settings(config: Config, material: Material, method: Method[Any]) -> None:
    """Have a method check its settings. Raises ValueError."""
    of_needs = [settings_of(config, needed) for needed in method.needs(config)]
    method.check(material, settings_of(config, method), of_needs)


def searched_branches(config: Config) -> tuple[str, ...]:
    """What a sweep searches: the branches of the tuned method and of those that it needs."""
    tuned = METHODS[config.tune.method]
    return tuple(method.branch for method in (*tuned.needed, tuned))
