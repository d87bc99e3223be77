"""gpudl: tensors that follow the array API standard, automatic differentiation, hand-written kernels."""

from . import autograd as autograd
from . import data as data
from . import errors as errors
from . import random as random
from . import io as io
from . import ops as _ops
from . import optim as optim
from . import profiler as profiler
from . import testing as testing
from .tensor import Tensor as Tensor  # first: the function `tensor` below takes the name of this module
from ._namespace.creation import arange as arange
from ._namespace.creation import asarray as asarray
from ._namespace.creation import astype as astype
from ._namespace.creation import empty as empty
from ._namespace.creation import eye as eye
from ._namespace.creation import full as full
from ._namespace.creation import linspace as linspace
from ._namespace.creation import ones as ones
from ._namespace.creation import ones_like as ones_like
from ._namespace.creation import tensor as tensor
from ._namespace.creation import zeros as zeros
from ._namespace.creation import zeros_like as zeros_like
from .autograd import detect_anomaly as detect_anomaly
from .autograd import enable_grad as enable_grad
from .autograd import is_grad_enabled as is_grad_enabled
from .autograd import no_grad as no_grad
from .devices import default_device as default_device
from .devices import device as device
from .io import load as load
from .io import save as save
from .random import Generator as Generator
from .random import manual_seed as manual_seed
from .settings import config as config
from .transforms import checkpoint as checkpoint
from .transforms import custom_vjp as custom_vjp
from .transforms import grad as grad
from .transforms import hessian as hessian
from .transforms import jacrev as jacrev
from .transforms import value_and_grad as value_and_grad
from .transforms import vjp as vjp

from ._version import __version__ as __version__
