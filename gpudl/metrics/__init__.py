"""How good predictions are. The public page."""

from ._classification import accuracy as accuracy
from ._classification import confusion_matrix as confusion_matrix
