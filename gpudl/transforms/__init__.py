"""Function transforms over any nesting of tuples, lists and dicts."""

from .checkpoint import checkpoint as checkpoint
from .custom import custom_vjp as custom_vjp
from .reverse import grad as grad
from .reverse import hessian as hessian
from .reverse import jacrev as jacrev
from .reverse import value_and_grad as value_and_grad
from .reverse import vjp as vjp
