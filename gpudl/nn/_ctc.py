"""The loss of sequences whose labels have no times."""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._loss import _Loss


class CTCLoss(_Loss):
    """-log p(targets | log_probs) over all alignments; see `functional.ctc_loss`.

    `log_probs` (T, N, C), `targets` (N, S) or (sum of lengths,), both lengths (N,). Source: Graves
    et al., ICML 2006.

    >>> import gpudl as gd
    >>> logp = gd.nn.functional.log_softmax(gd.zeros(2, 1, 3), -1)
    >>> round(gd.nn.CTCLoss()(logp, gd.tensor([[1]]), gd.tensor([2]), gd.tensor([1])).item(), 4)
    1.0986
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, bool(zero_infinity)

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
