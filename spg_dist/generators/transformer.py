"""The generator of DPSPG (Dual-Path Stable Soft Prompt Generation, ICME 2026): a transformer over one token an image.

Post-norm layers, then a Linear to the prompt; no noise, no Tanh. Parameter names are those of torch's
`TransformerEncoder`, as in the published code; that starts all layers with the same weights, here each has its own.

Shape suffixes: B batch, T tokens (one), D feature width, H heads, E width of a head, P context tokens, W text width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spg_dist.generators import Dropout, Generator, Group, Sizes, groups_by_name


@dataclass(frozen=True)
class TransformerSettings:
    layers: int = 4
    heads: int = 8
    feed_forward: int = 2048
    dropout: float = 0.1


class Attention(nn.Module):
    """Of an image's tokens to each other; with one token its shares are 1."""

    def __init__(self, width: int, given: TransformerSettings) -> None:
        super().__init__()
        self.heads = given.heads
        self.in_proj_weight, self.in_proj_bias = (nn.Parameter(torch.empty(3 * width, *more)) for more in ([width], []))
        self.out_proj = nn.Linear(width, width)
        self.dropout = Dropout(given.dropout, given.heads, 1, 1)

    def forward(self, h_BTD: Tensor) -> Tensor:
        parts = F.linear(h_BTD, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        q_BHTE, k_BHTE, v_BHTE = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        shares_BHTT = (q_BHTE @ k_BHTE.mT / q_BHTE.shape[-1] ** 0.5).softmax(dim=-1)
        mixed_BHTE = self.dropout(shares_BHTT) @ v_BHTE
        out_BTD: Tensor = self.out_proj(mixed_BHTE.transpose(1, 2).flatten(2))
        return out_BTD


class Layer(nn.Module):
    """Attention and feed-forward, each with a LayerNorm of the sum."""

    def __init__(self, width: int, given: TransformerSettings) -> None:
        super().__init__()
        self.self_attn, self.norm1, self.norm2 = Attention(width, given), nn.LayerNorm(width), nn.LayerNorm(width)
        self.linear1, self.linear2 = nn.Linear(width, given.feed_forward), nn.Linear(given.feed_forward, width)
        self.dropout = Dropout(given.dropout, 1, given.feed_forward)
        self.dropout1, self.dropout2 = Dropout(given.dropout, 1, width), Dropout(given.dropout, 1, width)

    def forward(self, h_BTD: Tensor) -> Tensor:
        h_BTD = self.norm1(h_BTD + self.dropout1(self.self_attn(h_BTD)))
        inner_BTU = self.dropout(F.relu(self.linear1(h_BTD)))
        out_BTD: Tensor = self.norm2(h_BTD + self.dropout2(self.linear2(inner_BTU)))
        return out_BTD


class Transformer(Generator):
    name: ClassVar[str] = "transformer"
    Settings: ClassVar[type] = TransformerSettings

    def __init__(self, settings: TransformerSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        width = sizes.feature_width
        if settings.heads < 1 or width % settings.heads:
            raise ValueError(f"heads is {settings.heads}, expected a divisor of the image features' width, {width}")
        layers = nn.Sequential(*(Layer(width, settings) for _ in range(settings.layers)))
        self.transformer_encoder = nn.ModuleDict({"layers": layers})
        self.fc = nn.Linear(width, sizes.n_ctx * sizes.text_width)

    def initialise(self, random: torch.Generator) -> None:
        """As torch initialises these layers."""
        for name, parameter in self.named_parameters():
            if "in_proj_weight" in name:
                nn.init.xavier_uniform_(parameter, generator=random)
            elif "in_proj_bias" in name or "out_proj.bias" in name:
                nn.init.zeros_(parameter)
            elif "norm" not in name:
                bound = self.get_parameter(name.rpartition(".")[0] + ".weight").shape[1] ** -0.5
                nn.init.uniform_(parameter, -bound, bound, generator=random)

    def groups(self) -> dict[str, Group]:
        """All biases are clipped as the last ones are: no BatchNorm follows that would take them out."""
        return groups_by_name(self, last=[name for name, _ in self.named_parameters() if name.endswith("bias")])

    def forward(self, z_BZ: Tensor, x_BD: Tensor) -> Tensor:
        h_BTD = self.transformer_encoder["layers"](x_BD[:, None])
        prompts: Tensor = self.fc(h_BTD[:, 0]).unflatten(-1, self.prompt_shape)
        return prompts


GENERATOR = Transformer
