"""What is said of images that stand more than once: in the log, in the report's head, and before its figures."""

from __future__ import annotations

from spg_dist.data.duplicates import IN_CLASSES, Copies, by_kind, in_words
from spg_dist.experiment.duplicates import IN_DATA_SETS
from spg_dist.material import Material
from spg_dist.plan import methods_of
from spg_dist.progress import Display

SHOWN = 10


def say_duplicates(material: Material, display: Display) -> None:
    """Count and list them in the log, and warn of what changes the figures."""
    for kind, groups in _found(material).items():
        display.say(f"{_count(len(groups), 'image')} {kind}, byte for byte the same:")
        for group in groups[:SHOWN]:
            display.say(f"  {in_words(group)}")
        if len(groups) > SHOWN:
            display.say(f"  ... and {len(groups) - SHOWN:,} more")
    for warning in duplicate_warnings(material):
        display.say(f"warning: {warning}")


def duplicate_warnings(material: Material) -> list[str]:
    """Sentences that must be read before the figures; none where nothing is to be said."""
    warnings = []
    several = _found(material).get(IN_CLASSES, [])
    if several:
        warnings.append(
            f"{_count(len(several), 'image')} {IN_CLASSES}, so not every test of them can be right: "
            f"{in_words(several[0])}{' and others' if len(several) > 1 else ''}."
        )
    leaks = _leaks(material)
    if leaks and material.core.data.duplicates == "keep":
        test, learned = next(iter(next(iter(leaks.values())).items()))
        warnings.append(
            f"Test images that also stand in the train or val split of their sources, so that training sees them: "
            f"{_by_target(leaks)}, e.g. {test} = {learned}. data.duplicates=drop leaves these copies out of training."
        )
    return warnings


def duplicates_in_words(material: Material) -> str:
    """For the report's head; empty where no image stands more than once."""
    said = ", ".join(f"{len(groups):,} {kind}" for kind, groups in _found(material).items())
    leaks = _leaks(material)
    if not leaks:
        return said
    which = f"those of a target ({_by_target(leaks)})"
    if material.core.data.duplicates == "keep":
        return f"{said}; {which} are kept in its sources"
    imported = "; imported prompt labels may have seen them" if material.core.prompt_labels else ""
    return f"{said}; {which} are left out of its sources' train and val{imported}"


def require_images_left(material: Material) -> None:
    """Raises ValueError where data.duplicates=drop leaves nothing of a domain to train on or to select by."""
    config, manifest, protocol = material.core, material.manifest, material.protocol
    if config.data.duplicates == "keep":
        return
    trainings = protocol.trainings(config, manifest)
    for domain in dict.fromkeys(name for where in trainings for name in protocol.sources(manifest, where)):
        for split in ("train", "val"):
            if not len(material.label_rows(domain, split)):
                raise ValueError(
                    f"data.duplicates is drop, and every {split} image of domain {domain} of {manifest.dataset} stands "
                    f"in another domain or in a data set that is tested on too: take the domain away, or give "
                    f"data.duplicates=keep"
                )


def _found(material: Material) -> dict[str, list[Copies]]:
    """What stands more than once, by kind; kinds of which there is none are left out."""
    found: dict[str, list[Copies]] = {}
    for k in range(len(material.duplicates.manifests)):
        for kind, groups in by_kind(material.duplicates.within(k)).items():
            found.setdefault(kind, []).extend(groups)
    found[IN_DATA_SETS] = material.duplicates.across()
    return {kind: groups for kind, groups in found.items() if groups}


def _leaks(material: Material) -> dict[str, dict[str, str]]:
    """As `Duplicates.leaks`; none where nothing is trained."""
    trained = any(method.trains for method in methods_of(material.core))
    return material.duplicates.leaks(material.core) if trained else {}


def _by_target(leaks: dict[str, dict[str, str]]) -> str:
    return ", ".join(f"{target} {len(images):,}" for target, images in leaks.items())


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun} that stands" if number == 1 else f"{number:,} {noun}s that stand"
