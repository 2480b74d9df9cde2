"""A processor on which a row's last bits depend on how many rows a product has, and on where the row stands.

Some processors' libraries are like that: rows at the edge of a kernel's block are summed in another order. Here every
product, in fp32, bf16 and float64, rounds the last rows (those that fill no block of four), every seventh row and every
second item of a batch up by one unit in the last place. Nothing else is changed, and equal calls give equal bits.

`installed()` is for the length of a block of this process. Processes started with `everywhere()` in their environment
have it from the first: torch loads what the entry point group `torch.backends` names, and in_every_process/ names this.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

BLOCK = 4


def rounded_by_place(exact: Tensor) -> Tensor:
    """A product (..., M, N) as this processor rounds it."""
    rows = exact.shape[-2]
    row_M1 = torch.arange(rows)[:, None]
    odd = (row_M1 >= rows - rows % BLOCK) | (row_M1 % 7 == 3)
    if exact.ndim > 2:
        odd = odd | (torch.arange(len(exact))[:, None, None] % 2 == 1)
    up = torch.full_like(exact, float("inf"))
    return torch.where(odd.expand_as(exact), torch.nextafter(exact, up), exact)


def product(left: Tensor, right: Tensor) -> Tensor:
    """Summed by NumPy, in the precision of its operands."""
    wide = torch.float32 if left.dtype == torch.bfloat16 else left.dtype
    with np.errstate(over="ignore", invalid="ignore"):  # torch does not warn either
        exact = torch.from_numpy(left.detach().to(wide).numpy() @ right.detach().to(wide).numpy())
    return rounded_by_place(exact.to(left.dtype))


def plus(beta: float, added: Tensor, alpha: float, left: Tensor, right: Tensor) -> Tensor:
    return added * beta + product(left, right) * alpha


def _mm(left: Tensor, right: Tensor) -> Tensor:
    return product(left, right)


def _addmm(added: Tensor, left: Tensor, right: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return plus(beta, added, alpha, left, right)


def _mv(left: Tensor, vector: Tensor) -> Tensor:
    return product(left, vector[:, None])[:, 0]


def _addmv(added: Tensor, left: Tensor, vector: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return added * beta + _mv(left, vector) * alpha


def _to_out(made: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def into(*given: Any, out: Tensor, **options: Any) -> Tensor:
        return out.resize_(result.shape).copy_(result) if (result := made(*given, **options)) is not None else out

    return into


def _linear_pointwise(
    x: Tensor, weight: Tensor, bias: Tensor | None, attribute: str, scalars: Any, algorithm: str | None
) -> Tensor:
    """oneDNN's, with its activation."""
    dense = weight.to_dense() if weight.is_mkldnn else weight
    result = product(x.flatten(0, -2), dense.T)
    result = (result if bias is None else result + bias).unflatten(0, x.shape[:-1])
    if attribute == "swish":
        return torch.nn.functional.silu(result)
    return torch.nn.functional.gelu(result, approximate=algorithm or "none") if attribute == "gelu" else result


KERNELS = {"mm": _mm, "bmm": _mm, "addmm": _addmm, "baddbmm": _addmm, "mv": _mv, "addmv": _addmv}


@contextmanager
def installed() -> Iterator[None]:
    """Products are this processor's inside."""
    libraries = _install()
    try:
        yield
    finally:
        for library in libraries:
            library._destroy()


def everywhere() -> dict[str, str]:
    """The environment for processes, and all that they start, that are to have this processor."""
    here = Path(__file__).resolve().parent
    return {"PYTHONPATH": os.pathsep.join(map(str, (here, here / "in_every_process")))}


def _install() -> list[torch.library.Library]:
    warnings.filterwarnings("ignore", "Warning only once for all operators", UserWarning)
    aten, mkldnn = (torch.library.Library(name, "IMPL") for name in ("aten", "mkldnn"))
    for name, kernel in KERNELS.items():
        aten.impl(name, kernel, "CPU", allow_override=True)
        aten.impl(f"{name}.out", _to_out(kernel), "CPU", allow_override=True)
    if torch.backends.mkldnn.is_available():
        for key in ("CPU", "MkldnnCPU"):
            mkldnn.impl("_linear_pointwise", _linear_pointwise, key, allow_override=True)
    return [aten, mkldnn]


def install_for_good() -> None:
    """What torch calls when it is imported."""
    _KEPT.extend(_install())


_KEPT: list[torch.library.Library] = []
