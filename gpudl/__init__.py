"""gpudl: tensors after the array API standard, automatic differentiation, hand-written kernels."""

# The order matters: the function `tensor` takes the name of the module that `Tensor` comes from.
# ruff: noqa: I001

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING

if _TYPE_CHECKING:
    from . import cuda as cuda
    from . import data as data
    from . import fft as fft
    from . import io as io
    from . import linalg as linalg
    from . import metrics as metrics
    from . import models as models
    from . import nn as nn
    from . import optim as optim
    from . import profiler as profiler
    from . import testing as testing
    from . import train as train
    from .io import load as load
    from .io import save as save

try:
    _importlib.import_module(f"{__name__}.kernels")
except ModuleNotFoundError as error:
    if error.name != f"{__name__}.kernels":
        raise
    raise ImportError(
        f"{__path__[0]} is the source of gpudl, not an installation of it: "
        "run `pip install -e .` in the folder above, or start Python in another folder"
    ) from None

from . import autograd as autograd
from . import errors as errors
from . import random as random
from .tensor import Tensor as Tensor
from ._namespace.activation import erf as erf
from ._namespace.activation import erfinv as erfinv
from ._namespace.activation import gelu as gelu
from ._namespace.activation import log_softmax as log_softmax
from ._namespace.activation import one_hot as one_hot
from ._namespace.activation import relu as relu
from ._namespace.activation import sigmoid as sigmoid
from ._namespace.activation import silu as silu
from ._namespace.activation import softmax as softmax
from ._namespace.constants import __array_api_version__ as __array_api_version__
from ._namespace.constants import bool as bool
from ._namespace.constants import e as e
from ._namespace.constants import inf as inf
from ._namespace.constants import nan as nan
from ._namespace.constants import newaxis as newaxis
from ._namespace.constants import pi as pi
from ._namespace.creation import arange as arange
from ._namespace.creation import asarray as asarray
from ._namespace.creation import astype as astype
from ._namespace.creation import empty as empty
from ._namespace.creation import empty_like as empty_like
from ._namespace.creation import eye as eye
from ._namespace.creation import from_dlpack as from_dlpack
from ._namespace.creation import full as full
from ._namespace.creation import full_like as full_like
from ._namespace.creation import linspace as linspace
from ._namespace.creation import ones as ones
from ._namespace.creation import ones_like as ones_like
from ._namespace.creation import tensor as tensor
from ._namespace.creation import tril as tril
from ._namespace.creation import triu as triu
from ._namespace.creation import zeros as zeros
from ._namespace.creation import zeros_like as zeros_like
from ._namespace.datatypes import can_cast as can_cast
from ._namespace.datatypes import finfo as finfo
from ._namespace.datatypes import iinfo as iinfo
from ._namespace.datatypes import isdtype as isdtype
from ._namespace.datatypes import result_type as result_type
from ._namespace.einsum import einsum as einsum
from ._namespace.elementwise import abs as abs
from ._namespace.elementwise import acos as acos
from ._namespace.elementwise import acosh as acosh
from ._namespace.elementwise import add as add
from ._namespace.elementwise import asin as asin
from ._namespace.elementwise import asinh as asinh
from ._namespace.elementwise import atan as atan
from ._namespace.elementwise import atan2 as atan2
from ._namespace.elementwise import atanh as atanh
from ._namespace.elementwise import bitwise_and as bitwise_and
from ._namespace.elementwise import bitwise_invert as bitwise_invert
from ._namespace.elementwise import bitwise_left_shift as bitwise_left_shift
from ._namespace.elementwise import bitwise_or as bitwise_or
from ._namespace.elementwise import bitwise_right_shift as bitwise_right_shift
from ._namespace.elementwise import bitwise_xor as bitwise_xor
from ._namespace.elementwise import ceil as ceil
from ._namespace.elementwise import clip as clip
from ._namespace.elementwise import conj as conj
from ._namespace.elementwise import copysign as copysign
from ._namespace.elementwise import cos as cos
from ._namespace.elementwise import cosh as cosh
from ._namespace.elementwise import divide as divide
from ._namespace.elementwise import equal as equal
from ._namespace.elementwise import exp as exp
from ._namespace.elementwise import expm1 as expm1
from ._namespace.elementwise import floor as floor
from ._namespace.elementwise import floor_divide as floor_divide
from ._namespace.elementwise import greater as greater
from ._namespace.elementwise import greater_equal as greater_equal
from ._namespace.elementwise import hypot as hypot
from ._namespace.elementwise import imag as imag
from ._namespace.elementwise import isfinite as isfinite
from ._namespace.elementwise import isinf as isinf
from ._namespace.elementwise import isnan as isnan
from ._namespace.elementwise import less as less
from ._namespace.elementwise import less_equal as less_equal
from ._namespace.elementwise import log as log
from ._namespace.elementwise import log10 as log10
from ._namespace.elementwise import log1p as log1p
from ._namespace.elementwise import log2 as log2
from ._namespace.elementwise import logaddexp as logaddexp
from ._namespace.elementwise import logical_and as logical_and
from ._namespace.elementwise import logical_not as logical_not
from ._namespace.elementwise import logical_or as logical_or
from ._namespace.elementwise import logical_xor as logical_xor
from ._namespace.elementwise import maximum as maximum
from ._namespace.elementwise import minimum as minimum
from ._namespace.elementwise import multiply as multiply
from ._namespace.elementwise import negative as negative
from ._namespace.elementwise import nextafter as nextafter
from ._namespace.elementwise import not_equal as not_equal
from ._namespace.elementwise import positive as positive
from ._namespace.elementwise import pow as pow
from ._namespace.elementwise import real as real
from ._namespace.elementwise import reciprocal as reciprocal
from ._namespace.elementwise import remainder as remainder
from ._namespace.elementwise import round as round
from ._namespace.elementwise import sign as sign
from ._namespace.elementwise import signbit as signbit
from ._namespace.elementwise import sin as sin
from ._namespace.elementwise import sinh as sinh
from ._namespace.elementwise import sqrt as sqrt
from ._namespace.elementwise import square as square
from ._namespace.elementwise import subtract as subtract
from ._namespace.elementwise import tan as tan
from ._namespace.elementwise import tanh as tanh
from ._namespace.elementwise import trunc as trunc
from ._namespace.elementwise import where as where
from ._namespace.indexing import take as take
from ._namespace.indexing import take_along_axis as take_along_axis
from ._namespace.info import __array_namespace_info__ as __array_namespace_info__
from ._namespace.linear import matmul as matmul
from ._namespace.linear import outer as outer
from ._namespace.linear import tensordot as tensordot
from ._namespace.linear import vecdot as vecdot
from ._namespace.manipulation import broadcast_arrays as broadcast_arrays
from ._namespace.manipulation import broadcast_shapes as broadcast_shapes
from ._namespace.manipulation import broadcast_to as broadcast_to
from ._namespace.manipulation import concat as concat
from ._namespace.manipulation import expand_dims as expand_dims
from ._namespace.manipulation import flip as flip
from ._namespace.manipulation import matrix_transpose as matrix_transpose
from ._namespace.manipulation import meshgrid as meshgrid
from ._namespace.manipulation import moveaxis as moveaxis
from ._namespace.manipulation import pad as pad
from ._namespace.manipulation import permute_dims as permute_dims
from ._namespace.manipulation import repeat as repeat
from ._namespace.manipulation import reshape as reshape
from ._namespace.manipulation import roll as roll
from ._namespace.manipulation import squeeze as squeeze
from ._namespace.manipulation import stack as stack
from ._namespace.manipulation import tile as tile
from ._namespace.manipulation import unstack as unstack
from ._namespace.numpy_names import absolute as absolute
from ._namespace.numpy_names import arccos as arccos
from ._namespace.numpy_names import arccosh as arccosh
from ._namespace.numpy_names import arcsin as arcsin
from ._namespace.numpy_names import arcsinh as arcsinh
from ._namespace.numpy_names import arctan as arctan
from ._namespace.numpy_names import arctan2 as arctan2
from ._namespace.numpy_names import arctanh as arctanh
from ._namespace.numpy_names import atleast_1d as atleast_1d
from ._namespace.numpy_names import atleast_2d as atleast_2d
from ._namespace.numpy_names import atleast_3d as atleast_3d
from ._namespace.numpy_names import concatenate as concatenate
from ._namespace.numpy_names import cumprod as cumprod
from ._namespace.numpy_names import cumsum as cumsum
from ._namespace.numpy_names import dot as dot
from ._namespace.numpy_names import hstack as hstack
from ._namespace.numpy_names import logspace as logspace
from ._namespace.numpy_names import power as power
from ._namespace.numpy_names import ravel as ravel
from ._namespace.numpy_names import split as split
from ._namespace.numpy_names import swapaxes as swapaxes
from ._namespace.numpy_names import transpose as transpose
from ._namespace.numpy_names import vstack as vstack
from ._namespace.reductions import all as all
from ._namespace.reductions import any as any
from ._namespace.reductions import argmax as argmax
from ._namespace.reductions import argmin as argmin
from ._namespace.reductions import count_nonzero as count_nonzero
from ._namespace.reductions import cumulative_prod as cumulative_prod
from ._namespace.reductions import cumulative_sum as cumulative_sum
from ._namespace.reductions import diff as diff
from ._namespace.reductions import logsumexp as logsumexp
from ._namespace.reductions import max as max
from ._namespace.reductions import mean as mean
from ._namespace.reductions import min as min
from ._namespace.reductions import prod as prod
from ._namespace.reductions import std as std
from ._namespace.reductions import sum as sum
from ._namespace.reductions import var as var
from ._namespace.sorting import argsort as argsort
from ._namespace.sorting import isin as isin
from ._namespace.sorting import nonzero as nonzero
from ._namespace.sorting import searchsorted as searchsorted
from ._namespace.sorting import sort as sort
from ._namespace.sorting import unique_all as unique_all
from ._namespace.sorting import unique_counts as unique_counts
from ._namespace.sorting import unique_inverse as unique_inverse
from ._namespace.sorting import unique_values as unique_values
from .autograd import detect_anomaly as detect_anomaly
from .autograd import enable_grad as enable_grad
from .autograd import is_grad_enabled as is_grad_enabled
from .autograd import no_grad as no_grad
from .devices import default_device as default_device
from .devices import device as device
from .dtypes import bfloat16 as bfloat16
from .dtypes import complex64 as complex64
from .dtypes import complex128 as complex128
from .dtypes import float16 as float16
from .dtypes import float32 as float32
from .dtypes import float64 as float64
from .dtypes import int8 as int8
from .dtypes import int16 as int16
from .dtypes import int32 as int32
from .dtypes import int64 as int64
from .dtypes import uint8 as uint8
from .dtypes import uint16 as uint16
from .dtypes import uint32 as uint32
from .dtypes import uint64 as uint64
from .random import Generator as Generator
from .random import manual_seed as manual_seed
from .settings import config as config
from .system import get_num_threads as get_num_threads
from .system import set_num_threads as set_num_threads
from .system import show_config as show_config
from .transforms import checkpoint as checkpoint
from .transforms import custom_vjp as custom_vjp
from .transforms import grad as grad
from .transforms import hessian as hessian
from .transforms import jacrev as jacrev
from .transforms import value_and_grad as value_and_grad
from .transforms import vjp as vjp

from ._version import __version__ as __version__

# Imported when first used: half of the time of `import gpudl` otherwise.
_PACKAGES = (
    "cuda",
    "data",
    "fft",
    "io",
    "linalg",
    "metrics",
    "models",
    "nn",
    "optim",
    "profiler",
    "testing",
    "train",
)
_FUNCTIONS = {"load": "io", "save": "io"}


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return _importlib.import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS:
        return getattr(_importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    from ._namespace.torch_names import FUNCTIONS

    if name in FUNCTIONS:
        raise errors.MissingAttributeError(
            __name__, f"has no attribute {name!r}", remedy=FUNCTIONS[name]
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PACKAGES, *_FUNCTIONS})
