"""Learning rates that change over time, with PyTorch's names and numbers. The public page.

A schedule sets `lr` of every group of an optimizer when it is made and at each `step()`. It is a
function of the number of steps, so a schedule that is loaded goes on where it was.
"""

from ._compose import ChainedScheduler as ChainedScheduler
from ._compose import SequentialLR as SequentialLR
from ._cycles import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from ._cycles import CyclicLR as CyclicLR
from ._cycles import OneCycleLR as OneCycleLR
from ._plateau import ReduceLROnPlateau as ReduceLROnPlateau
from ._schedule import ConstantLR as ConstantLR
from ._schedule import CosineAnnealingLR as CosineAnnealingLR
from ._schedule import ExponentialLR as ExponentialLR
from ._schedule import LambdaLR as LambdaLR
from ._schedule import LinearLR as LinearLR
from ._schedule import LRScheduler as LRScheduler
from ._schedule import MultiplicativeLR as MultiplicativeLR
from ._schedule import MultiStepLR as MultiStepLR
from ._schedule import PolynomialLR as PolynomialLR
from ._schedule import StepLR as StepLR
