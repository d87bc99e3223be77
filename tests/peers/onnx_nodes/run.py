"""Runs one node test of ONNX: a graph of few nodes, its inputs and the results that it expects."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx.backend.test.case.node import collect_testcases

import gpudl as gd
from gpudl import tolerances

from . import ADAPTERS, family_of
from .explained import ROUNDED, reason


@functools.cache
def cases() -> dict[str, Any]:
    """All node tests by name."""
    with warnings.catch_warnings():
        # ONNX computes what it expects on infinities and overflows too.
        warnings.simplefilter("ignore")
        return {case.name: case for case in collect_testcases(None)}


def operator(case: Any) -> str:
    """What the case is about, also where it is written as a function of simpler operators."""
    name = case.name.split("_expanded")[0]
    return str(cases()[name].model.graph.node[0].op_type)


def _array(x: Any) -> Any:
    return onnx.numpy_helper.to_array(x) if isinstance(x, onnx.TensorProto) else np.asarray(x)


def _attribute(attribute: Any) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return gd.asarray(_array(value))
    return list(value) if attribute.type == onnx.AttributeProto.INTS else value


def _apply(node: Any, values: dict[str, Any]) -> None:
    """Compute a node from `values`, and add its results to them."""
    adapter = ADAPTERS[node.op_type]
    inputs = [values[name] if name else None for name in node.input]
    options = {a.name: _attribute(a) for a in node.attribute}
    if "outputs" in inspect.signature(adapter).parameters:
        options["outputs"] = len(node.output)
    results = adapter(*inputs, **options)
    if not isinstance(results, tuple):
        results = (results,)
    values.update(zip(node.output, results, strict=False))


def results(graph: Any, arrays: list[Any]) -> list[Any]:
    """What gpudl computes of a graph, as arrays of NumPy."""
    # Copies, since batch normalisation writes into its running statistics.
    tensors = [gd.asarray(x, copy=True) for x in arrays]
    values = {i.name: x for i, x in zip(graph.input, tensors, strict=True)}
    for node in graph.node:
        _apply(node, values)
    return [values[output.name].detach().cpu().numpy() for output in graph.output]


def check(case: Any) -> None:
    """Run the case; an exception says what is wrong."""
    for inputs, outputs in case.data_sets:
        arrays, expected = [_array(x) for x in inputs], [_array(x) for x in outputs]
        for found, wanted in zip(results(case.model.graph, arrays), expected, strict=True):
            if case.name in ROUNDED:
                np.testing.assert_allclose(found, wanted, case.rtol, case.atol)
            else:
                agree(found, wanted, tolerances.largest(*arrays))


def agree(found: Any, wanted: Any, scale: float) -> None:
    """Raise unless dtypes and shapes are the same, and the numbers within gpudl's tolerance."""
    if (found.dtype, found.shape) != (wanted.dtype, wanted.shape):
        raise AssertionError(f"{found.dtype}{found.shape} in place of {wanted.dtype}{wanted.shape}")
    error = tolerances.error(found, wanted, scale)
    if error > tolerances.tolerance(wanted.dtype):
        raise AssertionError(f"error {error:.1e}")


class Outcome(NamedTuple):
    """What came of a case: `error` if it did not pass, `reason` if that is explained."""

    name: str
    operator: str
    error: str
    reason: str | None


@functools.cache
def outcome(name: str, device: str = "cpu") -> Outcome:
    case = cases()[name]
    try:
        with gd.default_device(device):
            check(case)
        error = ""
    except Exception as raised:  # whatever it is, the case does not pass
        error = f"{type(raised).__name__}: {raised}"
    return Outcome(name, operator(case), error, reason(case))


def outcomes(family: str, device: str = "cpu") -> list[Outcome]:
    """Of the cases of a family of operators."""
    names = [name for name, case in cases().items() if family_of(operator(case)) == family]
    return [outcome(name, device) for name in names]
