"""Soft Prompt Generation: a prompt for every image, from the generator that stage 2 trains on stage 1's labels."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from spg_dist.gan.config import GanConfig
from spg_dist.methods import Method
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.soft_prompt.method import SoftPromptMethod

if TYPE_CHECKING:
    from torch import Tensor

    from spg_dist.config import Config
    from spg_dist.evaluation.prediction import ImageBatch, Predictor
    from spg_dist.gan.training import GeneratorRun, GeneratorTraining
    from spg_dist.material import Material
    from spg_dist.run import Run


class _PromptLabel(SoftPromptMethod):
    """Stage 1: one soft prompt for each domain, learned on that domain alone."""

    name, label, branch, settings = "prompt-label", "Prompt label", "stage1", SoftPromptConfig
    folder, series_label = "prompt_labels", "Stage 1: domain prompt labels"
    by_domain = True


PROMPT_LABEL = _PromptLabel()


class _Spg(Method[GanConfig]):
    name, label, branch, settings = "spg", "SPG", "stage2", GanConfig
    rank, colour, role, shown_by_default = 100, "#0072b2", "focus", True
    folder, series_label = "generators", "Stage 2: prompt generator and discriminator"
    learns_from_left_out = False
    prompt_for_each_image = draws_noise = chaotic = generates_prompts = True
    needed = (PROMPT_LABEL,)

    def needs(self, config: Config) -> tuple[Method[Any], ...]:
        return () if config.prompt_labels else self.needed

    def check(self, material: Material, settings: GanConfig, of_needs: Sequence[Any] = ()) -> None:
        from spg_dist.methods.spg.generator import check_generator
        from spg_dist.methods.spg.prompt_label import imported_lengths

        for name in settings.clip_norms.off_for_targets:
            if name not in material.manifest.domains:
                raise ValueError(
                    f"stage2.clip_norms.off_for_targets names {name!r}, but the domains of {material.manifest.dataset} "
                    f"are {', '.join(material.manifest.domains)}: name some of these, or give "
                    f"stage2.clip_norms.off_for_targets=[]"
                )
        for n_ctx in [stage1.n_ctx for stage1 in of_needs] or imported_lengths(material):
            check_generator(material, settings, n_ctx)

    def record(self, settings: GanConfig) -> dict[str, Any]:
        return settings.record()

    def network(self, run: Run[GanConfig]) -> dict[str, Any]:
        from spg_dist.methods.spg.prompt_label import context_length_of

        shape = [context_length_of(run), run.material.tower.width]
        return {"generator": run.settings.generator, "prompt_shape": shape}

    def identity(self, run: Run[GanConfig]) -> dict[str, Any]:
        if not run.material.core.prompt_labels:
            return {}
        from spg_dist.methods.spg.prompt_label import imported_identities

        return {"labels": imported_identities(run.material, run.spec.where)}

    def training(self, run: Run[GanConfig]) -> GeneratorRun:
        from spg_dist.methods.spg.generator import generator_run

        return generator_run(run)

    def group(self, trainings: Sequence[GeneratorRun]) -> GeneratorTraining:
        from spg_dist.gan.training import GeneratorTraining

        return GeneratorTraining(trainings)

    def together(self, training: GeneratorRun) -> Hashable:
        return training.program

    def predictor(self, run: Run[GanConfig]) -> Predictor:
        from spg_dist.methods.spg.generator import spg_predictor

        return spg_predictor(run)

    def prompts(self, run: Run[GanConfig], images: ImageBatch) -> Tensor:
        from spg_dist.methods.spg.generator import generate_prompts, load_generator

        return generate_prompts(load_generator(run), run, images)


METHOD = _Spg()
