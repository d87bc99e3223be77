"""Promotion, casts and questions about dtypes, against the table of the design and against
NumPy.
"""

import itertools

import ml_dtypes
import numpy as np
import pytest

import gpudl as gd

INTEGERS = [gd.int8, gd.int16, gd.int32, gd.int64, gd.uint8, gd.uint16, gd.uint32, gd.uint64]
FLOATS = [gd.bfloat16, gd.float16, gd.float32, gd.float64]
COMPLEX = [gd.complex64, gd.complex128]
ALL = [gd.bool, *INTEGERS, *FLOATS, *COMPLEX]


PAIRS = list(itertools.product(ALL, ALL))


def level(dtype):
    return 0 if dtype == gd.bool else 1 if dtype in INTEGERS else 2 if dtype in FLOATS else 3


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=str)
def test_two_tensors(a, b):
    """Within a kind as in NumPy, across kinds the dtype of the higher kind."""
    if level(a) == level(b) == 1 and np.promote_types(a, b).kind == "f":
        with pytest.raises(gd.errors.DTypeError, match="no common integer dtype"):
            gd.result_type(a, b)
        return
    if {a, b} == {gd.bfloat16, gd.float16}:
        wanted = gd.float32
    elif level(a) == level(b) or {level(a), level(b)} == {2, 3}:
        if gd.bfloat16 in (a, b):
            wanted = b if a == gd.bfloat16 else a
        else:
            wanted = np.promote_types(a, b)
    else:
        wanted = a if level(a) > level(b) else b
    assert gd.result_type(a, b) == wanted
    assert gd.multiply(gd.ones(2, dtype=a), gd.ones(2, dtype=b)).dtype == wanted


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_python_numbers_are_weak(dtype):
    x = gd.ones(2, dtype=dtype)
    own = level(dtype)
    assert (x * True).dtype == dtype
    assert (x * 2).dtype == (dtype if own >= 1 else gd.int64)
    assert (x * 2.0).dtype == (dtype if own >= 2 else gd.float32)
    wide = gd.complex128 if dtype == gd.float64 else gd.complex64
    assert (x * 2j).dtype == (dtype if own == 3 else wide)
    assert (2 * x).dtype == (x * 2).dtype
    assert gd.result_type(dtype, 2.0) == (x * 2.0).dtype


def test_numpy_scalars():
    x = gd.ones(2, dtype=gd.float32)
    assert (x * np.float64(2)).dtype == gd.float32  # a Python float in disguise
    assert (x * np.float32(2)).dtype == gd.float32
    assert (gd.ones(2, dtype=gd.float16) * np.float32(2)).dtype == gd.float32
    assert (gd.ones(2, dtype=gd.int8) * np.int16(2)).dtype == gd.int16


def test_what_data_become():
    assert gd.asarray([1.5, 2]).dtype == gd.float32
    assert gd.asarray([1, 2]).dtype == gd.int64
    assert gd.asarray([True]).dtype == gd.bool
    assert gd.asarray(1j).dtype == gd.complex64
    assert gd.asarray([]).dtype == gd.float32
    assert gd.asarray(np.ones(2)).dtype == gd.float64
    assert gd.asarray(np.ones(2, ml_dtypes.bfloat16)).dtype == gd.bfloat16


def test_numbers_keep_their_digits_on_the_way_to_a_dtype():
    assert gd.asarray([16777217.0], dtype=gd.float64).item() == 16777217.0
    assert gd.tensor(2.0**-1050, dtype=gd.float64).item() == 2.0**-1050
    assert gd.asarray([2**63], dtype=gd.uint64).item() == 2**63
    with pytest.raises(gd.errors.ArgumentTypeError, match="300"):
        gd.asarray([300], dtype=gd.int8)


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=str)
def test_can_cast_agrees_with_promotion(a, b):
    if level(a) == level(b) == 1:
        assert gd.can_cast(a, b) == np.can_cast(a, b)
    else:
        assert gd.can_cast(a, b) == (level(a) <= level(b) and gd.result_type(a, b) == b)
    assert gd.can_cast(gd.ones(1, dtype=a), b) == gd.can_cast(a, b)


def test_isdtype():
    assert gd.isdtype(gd.bool, "bool")
    assert not gd.isdtype(gd.bool, "numeric")
    assert gd.isdtype(gd.uint8, ("bool", "unsigned integer"))
    assert gd.isdtype(gd.float32, gd.float32)
    assert not gd.isdtype(gd.bfloat16, "complex floating")
    with pytest.raises(gd.errors.ArgumentError, match="no kind"):
        gd.isdtype(gd.bool, "floating")


@pytest.mark.parametrize("dtype", [gd.float16, gd.float32, gd.float64], ids=str)
def test_finfo(dtype):
    info, wanted = gd.finfo(dtype), np.finfo(dtype)
    assert (info.bits, info.eps, info.max) == (wanted.bits, float(wanted.eps), float(wanted.max))
    assert info == gd.finfo(gd.ones(1, dtype=dtype))
    assert type(info.smallest_normal) is float


def test_limits_of_other_dtypes():
    assert gd.finfo(gd.bfloat16).eps == 2.0**-7
    assert gd.finfo(gd.complex64).dtype == gd.float32
    assert gd.iinfo(gd.uint8).max == 255
    with pytest.raises(gd.errors.DTypeError):
        gd.iinfo(gd.float32)
    with pytest.raises(gd.errors.DTypeError):
        gd.finfo(gd.int32)


def test_namespace_info():
    info = gd.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] == gd.float32
    assert set(info.dtypes(kind="complex floating").values()) == set(COMPLEX)
    assert info.default_device() in info.devices()
    assert all(getattr(gd, name) == dtype for name, dtype in info.dtypes().items())
    with pytest.raises(gd.errors.ArgumentError):
        info.dtypes(kind="strings")
