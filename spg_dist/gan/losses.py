"""What the discriminator's verdict costs: least squares as published, or the cross-entropy of the paper's equation 4.

Shape suffixes: A runs, B batch.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from spg_dist.gan.config import AdversarialLoss


def validity_loss(kind: AdversarialLoss, valid_AB: Tensor, real: bool) -> Tensor:
    """Loss (A,) of calling prompts of validity D real (or not), a mean over the batch.

    least-squares: (D - 1)² or D²; cross-entropy: -log σ(D) or -log(1 - σ(D)), D being a logit. The generator takes the
    loss of `real` for its own prompts, the form that does not saturate.
    """
    if kind == "least-squares":
        return (valid_AB - float(real)).square().mean(dim=1)
    return F.softplus(-valid_AB if real else valid_AB).mean(dim=1)
