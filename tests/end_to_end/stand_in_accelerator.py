"""A device for machines without an accelerator. Its tensors lie in the processor's memory, but, as with a GPU's, no
operation takes one of them together with one of the processor's.

As a program it runs a job with `clip.device=standin` in one process, and dies as by SIGKILL when a run of the GAN has
finished the named epoch (0 = never):

    python tests/end_to_end/stand_in_accelerator.py <epoch> name=... stage2.epochs=...

What torch does beneath its dispatcher has no way to a device written in Python. A few such calls take a way above it.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import torch
import torch._dynamo  # torch imports it at a mode's first operation, and inside this mode that import fails
import torch.distributed.tensor  # vmap imports it, and it cannot do without the real torch.Generator
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "standin"
MAY_INDEX = {"aten::index", "aten::index_put_", "aten::_index_put_impl_"}  # these take the processor's indices

_setup_privateuseone_for_python_backend(NAME)


class OnDevice(Tensor):
    """A tensor of the device."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        shown = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        return Tensor._make_wrapper_subclass(cls, held.size(), device=torch.device(NAME, 0), **shown)

    def __init__(self, held: Tensor) -> None:
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        return call(op, args, kwargs or {})


class StandIn(TorchDispatchMode):
    """Inside it tensors can be made on the device."""

    def __torch_dispatch__(self, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        return call(op, args, kwargs or {})


def call(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One operation of torch, with the device's tensors, if it has any, and the processor's."""
    name, wanted = op._schema.name, kwargs.get("device")
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    on_device = any(isinstance(tensor, OnDevice) for tensor in tensors)
    if on_device and name not in ("aten::_to_copy", "aten::copy_"):
        refuse_mixed(op, [tensor for tensor in tensors if not isinstance(tensor, OnDevice)])
    if wanted is not None:
        on_device = torch.device(wanted).type == NAME
        kwargs = {**kwargs, "device": torch.device("cpu")}
    result = op(*tree_map(held, args), **tree_map(held, kwargs))
    if op._schema.is_mutable:  # in place: what was given is given back
        return args[0] if op._schema.returns else None
    return tree_map(shown, result) if on_device else result


def refuse_mixed(op: Any, others: list[Tensor]) -> None:
    """CUDA takes single numbers from the processor, and indices where it looks rows up."""
    if op._schema.name in MAY_INDEX:
        others = [tensor for tensor in others if tensor.dtype not in (torch.int64, torch.bool)]
    shapes = [tuple(tensor.shape) for tensor in others if tensor.ndim]
    if shapes:
        raise RuntimeError(f"{op} was given tensors of {NAME} and, of shapes {shapes}, of the processor")


def held(value: Any) -> Any:
    return value.held if isinstance(value, OnDevice) else value


def shown(value: Any) -> Any:
    return OnDevice(value) if isinstance(value, Tensor) else value


def go_above_the_dispatcher() -> None:
    """Three calls whose inner ones a device written in Python never sees."""
    tensor, generator, get_item = torch.tensor, torch.Generator, Tensor.__getitem__

    def made(data: Any, device: Any = None, **kwargs: Any) -> Tensor:
        return tensor(data, **kwargs) if device is None else tensor(data, **kwargs).to(device)

    def part(self: Tensor, index: Any) -> Tensor:
        parts = index if isinstance(index, tuple) else (index,)
        return get_item(self, tuple(tensor(each) if isinstance(each, list) else each for each in parts))

    torch.tensor = made
    torch.Generator = lambda device="cpu": generator()  # the processor's: both devices then draw the same numbers
    Tensor.__getitem__ = part


def main(last_epoch: int, settings: list[str]) -> None:
    torch.inference_mode = torch.no_grad  # before the modules that decorate with it
    from jobs import full_pipeline
    from spg_dist.progress import Display

    go_above_the_dispatcher()
    said = Display.epoch_done

    def epoch_done(self: Display, run: str, epoch: int, metrics: dict[str, float]) -> None:
        said(self, run, epoch, metrics)
        if run.startswith("spg ") and epoch + 1 == last_epoch:
            os.kill(os.getpid(), signal.SIGKILL)

    Display.epoch_done = epoch_done  # type: ignore[method-assign]
    with StandIn():
        full_pipeline.main([f"clip.device={NAME}", "execution.backend=local", *settings])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
