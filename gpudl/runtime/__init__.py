"""From a kernel's source to its launch: specs, compilers, the cache on disk, the launcher."""

from .arguments import ByValue
from .launch import ErrorSite, launch, launched_variants, launches, replaced, runs_on
from .spec import ALL, Case, Geometry, KernelSpec, Operand
from .tensor_map import tensor_map

__all__ = [
    "ALL",
    "ByValue",
    "Case",
    "ErrorSite",
    "Geometry",
    "KernelSpec",
    "Operand",
    "launch",
    "launched_variants",
    "launches",
    "replaced",
    "runs_on",
    "tensor_map",
]
