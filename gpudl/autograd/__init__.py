"""Variables, the tape, and the one point of dispatch. The page of what upper floors may use."""

# ruff: noqa: E402  (what may be compiled is looked for before it is imported)

from . import compiled

compiled.load()

from .apply import compute as compute
from .engine import backward as backward
from .engine import grad as grad
from .engine import is_leaf as is_leaf
from .inspection import detect_anomaly as detect_anomaly
from .primitive import Primitive as Primitive
from .primitive import Spec as Spec
from .primitive import Ufunc as Ufunc
from .state import Hook as Hook
from .state import enable_grad as enable_grad
from .state import hooked as hooked
from .state import is_grad_enabled as is_grad_enabled
from .state import no_grad as no_grad
from .state import rare as rare
from .table import Row as Row
from .table import row as row
from .table import rows as rows
from .tape import Algebra as Algebra
from .tape import Node as Node
from .tape import new_leaf as new_leaf
from .tape import set_algebra as set_algebra
from .variable import Variable as Variable
from .variable import make as make
from .variable import result_class as result_class
from .variable import set_result_class as set_result_class
