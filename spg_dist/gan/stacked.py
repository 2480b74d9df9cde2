"""One network of many runs as one program: weights side by side, and what the network computes done for all of them.

The network says what is computed, for one run. A network that `stacks` takes the weights of all runs at once; another
is mapped over them, on a CPU run after run: there a batched product takes another path for one matrix than for several.
No number of one run enters another's.

Shape suffixes: R runs, A the first runs of these that take part, B batch.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from spg_dist.gan.discriminator import Discriminator
from spg_dist.generators import Dropout, Generator

MOMENTS = ("exp_avg", "exp_avg_sq")


class StackedNetwork:
    """The same network for R runs: parameters, buffers (BatchNorm's statistics) and AdamW's moments, (R, *shape) each.

    Arguments:
        networks: one of each run; their values are copied.
    """

    def __init__(self, networks: Sequence[Generator] | Sequence[Discriminator]) -> None:
        self.network = copy.deepcopy(networks[0]).train()  # its layers are called, with the runs' values in them
        self.mapped = next(self.network.parameters()).device.type != "cpu"
        self.names = [name for name, _ in self.network.named_parameters()]
        self.stored = self.network.state_dict().keys()
        self.factors = [f"{name}.factor" for name, layer in dropouts(self.network).items()]
        states = [dict(network.named_parameters()) | dict(network.named_buffers()) for network in networks]
        stacks = {name: torch.stack([state[name].detach() for state in states]) for name in states[0]}
        self.parameters = [stacks.pop(name) for name in self.names]
        self.buffers = stacks
        self.moments = {kind: [torch.zeros_like(tensor) for tensor in self.parameters] for kind in MOMENTS}

    def of_first(self, runs: int, learn: bool = True) -> list[Tensor]:
        """The parameters of the first runs, in the memory of all; leaves of autograd where they learn."""
        return [parameter.detach()[:runs].requires_grad_(learn) for parameter in self.parameters]

    def __call__(self, parameters: Sequence[Tensor], *inputs: Tensor, factors: Sequence[Tensor] = ()) -> Tensor:
        """Training mode: batch statistics, running statistics updated.

        Arguments:
            parameters: what `of_first` returned.
            inputs: of the network, (A, B, ...) each.
            factors: of its dropout layers in their order, (A, B, *shape) each; nothing = no dropout.
        """
        A = len(inputs[0])
        state = dict(zip(self.names, parameters, strict=True)) | {n: t[:A] for n, t in self.buffers.items()}
        if factors:
            state |= dict(zip(self.factors, factors, strict=True))
        if self.network.stacks:
            return self._call(state, inputs)
        if self.mapped:
            return torch.vmap(self._call)(state, inputs)
        states = {name: _apart(tensor) for name, tensor in state.items()}
        apart = list(zip(*map(_apart, inputs), strict=True))
        outputs = [self._call({n: t[run] for n, t in states.items()}, apart[run]) for run in range(A)]
        return outputs[0][None] if A == 1 else torch.stack(outputs)

    def _call(self, state: dict[str, Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
        output: Tensor = functional_call(self.network, state, inputs, tie_weights=False)
        return output

    def state(self, run: int) -> dict[str, Tensor]:
        """Run's weights and buffers by the plain network's names; views."""
        state = dict(zip(self.names, (tensor[run] for tensor in self.parameters), strict=True))
        return state | {name: tensor[run] for name, tensor in self.buffers.items() if name in self.stored}

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
        for name, tensor in self.state(run).items():
            tensor.copy_(state[name])
        for name, tensor in self.moments_state(run, 1).items():
            if moments and not name.endswith("/step"):
                tensor.copy_(moments[name])

    def keep(self, runs: Sequence[int]) -> None:
        """Let go of all other runs; those that stay are numbered anew."""
        self.parameters = [tensor[list(runs)] for tensor in self.parameters]
        self.buffers = {name: tensor[list(runs)] for name, tensor in self.buffers.items()}
        self.moments = {kind: [tensor[list(runs)] for tensor in stack] for kind, stack in self.moments.items()}


def dropouts(network: nn.Module) -> dict[str, Dropout]:
    """A network's dropout layers in the order in which their factors are given."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, Dropout)}


def _apart(tensor: Tensor) -> Sequence[Tensor]:
    """Each run's; of one run without a copy of its gradient."""
    return (tensor.squeeze(0),) if len(tensor) == 1 else tensor.unbind()
