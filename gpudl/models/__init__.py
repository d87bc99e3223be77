"""Networks that are ready to train. The public page."""

from ._cnn import CNN as CNN
