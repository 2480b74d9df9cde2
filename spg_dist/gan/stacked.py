"""One network of many runs as one program: weights side by side, one product for all of them.

The layers are those of the plain network (`networks.py`), which says what is computed; here each is done for all runs
at once, and no number of one run enters another's.

Shape suffixes: R runs, A the first runs of these that take part, B batch, I inputs, O outputs, U width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spg_dist.gan.networks import Discriminator, Generator
from spg_dist.training.stacked import linear

MOMENTS = ("exp_avg", "exp_avg_sq")


class StackedNetwork:
    """The same network for R runs: parameters, BatchNorm's running statistics and AdamW's moments, (R, *shape) each.

    Arguments:
        networks: one of each run; their values are copied.
    """

    def __init__(self, networks: Sequence[Generator] | Sequence[Discriminator]) -> None:
        self.layers: list[nn.Module] = list(networks[0].model)
        self.names = [name for name, _ in networks[0].named_parameters()]
        states = [network.state_dict() for network in networks]

        def stacked(name: str) -> Tensor:
            return torch.stack([state[name] for state in states])

        self.parameters = [stacked(name) for name in self.names]
        self.statistics = {name: stacked(name) for name in states[0] if "running" in name}
        self.counters = [name for name in states[0] if "num_batches" in name]
        self.moments = {kind: [torch.zeros_like(tensor) for tensor in self.parameters] for kind in MOMENTS}

    def of_first(self, runs: int, learn: bool = True) -> list[Tensor]:
        """The parameters of the first runs, in the memory of all; leaves of autograd where they learn."""
        return [parameter.detach()[:runs].requires_grad_(learn) for parameter in self.parameters]

    def __call__(self, parameters: Sequence[Tensor], x_ABI: Tensor, scale_ABU: Iterable[Tensor] = ()) -> Tensor:
        """Training mode: batch statistics, running statistics updated.

        Arguments:
            parameters: what `of_first` returned.
            scale_ABU: factors of each dropout layer, 0 or 1 / (1 - p); nothing = no dropout.
        """
        named, scales = dict(zip(self.names, parameters, strict=True)), iter(scale_ABU)
        h = x_ABI
        for number, layer in enumerate(self.layers):
            prefix = f"model.{number}"
            if isinstance(layer, nn.Linear):
                h = linear(h, named[f"{prefix}.weight"], named[f"{prefix}.bias"])
            elif isinstance(layer, nn.BatchNorm1d):
                h = self._batch_norm(layer, prefix, named, h)
            elif isinstance(layer, nn.Identity):  # the place of a dropout
                scale = next(scales, None)
                h = h if scale is None else h * scale
            elif isinstance(layer, nn.LeakyReLU):
                h = F.leaky_relu(h, layer.negative_slope)
            else:
                h = layer(h)
        return h

    def _batch_norm(self, layer: nn.BatchNorm1d, prefix: str, named: dict[str, Tensor], h_ABU: Tensor) -> Tensor:
        """Each run by its own statistics: runs become further channels, which BatchNorm never mixes."""
        mean_AU, var_AU = (self.statistics[f"{prefix}.running_{kind}"][: len(h_ABU)] for kind in ("mean", "var"))
        A, B, U = h_ABU.shape
        normed = F.batch_norm(
            h_ABU.transpose(0, 1).reshape(B, A * U),
            mean_AU.flatten(),  # views: they move in place
            var_AU.flatten(),
            named[f"{prefix}.weight"].flatten(),
            named[f"{prefix}.bias"].flatten(),
            training=True,
            momentum=layer.momentum or 0.0,
            eps=layer.eps,
        )
        return normed.view(B, A, U).transpose(0, 1)

    def state(self, run: int, steps: int) -> dict[str, Tensor]:
        """Run's weights and statistics by the plain network's names; views, but for the counters."""
        state = dict(zip(self.names, (tensor[run] for tensor in self.parameters), strict=True))
        state |= {name: tensor[run] for name, tensor in self.statistics.items()}
        return state | {name: torch.tensor(steps) for name in self.counters}

    def moments_state(self, run: int, steps: int) -> dict[str, Tensor]:
        """Run's moments as torch's AdamW names them, `<number of the parameter>/<name>`; none before the first step."""
        if not steps:
            return {}
        state = {
            f"{number}/{kind}": tensor[run]
            for kind, stack in self.moments.items()
            for number, tensor in enumerate(stack)
        }
        return state | {f"{number}/step": torch.tensor(float(steps)) for number in range(len(self.names))}

    @torch.no_grad()
    def load(self, run: int, state: dict[str, Tensor], moments: dict[str, Tensor]) -> None:
        """Go on from former states; a run without moments has made no step."""
        for name, tensor in self.state(run, 0).items():
            if name not in self.counters:
                tensor.copy_(state[name])
        for name, tensor in self.moments_state(run, 1).items():
            if moments and not name.endswith("/step"):
                tensor.copy_(moments[name])

    def keep(self, runs: Sequence[int]) -> None:
        """Let go of all other runs; those that stay are numbered anew."""
        self.parameters = [tensor[list(runs)] for tensor in self.parameters]
        self.statistics = {name: tensor[list(runs)] for name, tensor in self.statistics.items()}
        self.moments = {kind: [tensor[list(runs)] for tensor in stack] for kind, stack in self.moments.items()}
