"""The table of operations, a file a family. `gpudl.autograd.rows()` lists them."""

from .. import autograd as _autograd
from . import activation as activation
from . import attention as attention
from . import conv as conv
from . import create as create
from . import elementwise as elementwise
from . import fft as fft
from . import index as index
from . import linalg as linalg
from . import loss as loss
from . import matmul as matmul
from . import norm as norm
from . import pooling as pooling
from . import random as random
from . import recurrent as recurrent
from . import reduce as reduce
from . import rotary as rotary
from . import shape as shape
from ._algebra import TapeAlgebra as _TapeAlgebra

_autograd.set_algebra(_TapeAlgebra())
