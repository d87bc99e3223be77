"""Elementwise functions of the array standard."""

from .arithmetic import abs as abs
from .arithmetic import add as add
from .arithmetic import atan2 as atan2
from .arithmetic import ceil as ceil
from .arithmetic import clip as clip
from .arithmetic import conj as conj
from .arithmetic import copysign as copysign
from .arithmetic import divide as divide
from .arithmetic import floor as floor
from .arithmetic import floor_divide as floor_divide
from .arithmetic import hypot as hypot
from .arithmetic import imag as imag
from .arithmetic import logaddexp as logaddexp
from .arithmetic import maximum as maximum
from .arithmetic import minimum as minimum
from .arithmetic import multiply as multiply
from .arithmetic import negative as negative
from .arithmetic import nextafter as nextafter
from .arithmetic import positive as positive
from .arithmetic import pow as pow
from .arithmetic import real as real
from .arithmetic import reciprocal as reciprocal
from .arithmetic import remainder as remainder
from .arithmetic import round as round
from .arithmetic import sign as sign
from .arithmetic import square as square
from .arithmetic import subtract as subtract
from .arithmetic import trunc as trunc
from .logic import bitwise_and as bitwise_and
from .logic import bitwise_invert as bitwise_invert
from .logic import bitwise_left_shift as bitwise_left_shift
from .logic import bitwise_or as bitwise_or
from .logic import bitwise_right_shift as bitwise_right_shift
from .logic import bitwise_xor as bitwise_xor
from .logic import equal as equal
from .logic import greater as greater
from .logic import greater_equal as greater_equal
from .logic import isfinite as isfinite
from .logic import isinf as isinf
from .logic import isnan as isnan
from .logic import less as less
from .logic import less_equal as less_equal
from .logic import logical_and as logical_and
from .logic import logical_not as logical_not
from .logic import logical_or as logical_or
from .logic import logical_xor as logical_xor
from .logic import not_equal as not_equal
from .logic import signbit as signbit
from .logic import where as where
from .transcendental import acos as acos
from .transcendental import acosh as acosh
from .transcendental import asin as asin
from .transcendental import asinh as asinh
from .transcendental import atan as atan
from .transcendental import atanh as atanh
from .transcendental import cos as cos
from .transcendental import cosh as cosh
from .transcendental import exp as exp
from .transcendental import expm1 as expm1
from .transcendental import log as log
from .transcendental import log1p as log1p
from .transcendental import log2 as log2
from .transcendental import log10 as log10
from .transcendental import sin as sin
from .transcendental import sinh as sinh
from .transcendental import sqrt as sqrt
from .transcendental import tan as tan
from .transcendental import tanh as tanh

__all__: list[str] = [
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "clip",
    "conj",
    "copysign",
    "cos",
    "cosh",
    "divide",
    "equal",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "hypot",
    "imag",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "pow",
    "real",
    "reciprocal",
    "remainder",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "trunc",
    "where",
]
