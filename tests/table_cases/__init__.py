"""A case for every row of the table of operations.

Operands, parameters, and what comes out by an independent formula: `CASES[name]` is a list of
`Case`. Formulas take float64, complex128, int64 or bool arrays. `CREATED` has the rows without
operands.
"""

from . import attention as attention
from . import conv as conv
from . import elementwise as elementwise
from . import fft as fft
from . import index as index
from . import linalg as linalg
from . import loss as loss
from . import norm as norm
from . import product as product
from . import recurrent as recurrent
from . import reduce as reduce
from . import shape as shape
from .base import CASES as CASES
from .base import DTYPES as DTYPES
from .base import Case as Case
from .base import kind as kind
from .created import CPU as CPU
from .created import CREATED as CREATED
