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


def check(case: Any) -> None:
    """Run the case; an exception says what is wrong."""
    graph = case.model.graph
    for inputs, expected in case.data_sets:
        arrays = [_array(x) for x in inputs]
        # Copies, since batch normalisation writes into its running statistics.
        tensors = [gd.asarray(x, copy=True) for x in arrays]
        values = {i.name: t for i, t in zip(graph.input, tensors, strict=True)}
        for node in graph.node:
            _apply(node, values)
        scale = tolerances.largest(*arrays)
        for output, wanted in zip(graph.output, expected, strict=True):
            found = values[output.name].detach().cpu().numpy()
            wanted = _array(wanted)
            if (found.dtype, found.shape) != (wanted.dtype, wanted.shape):
                raise AssertionError(
                    f"{found.dtype}{found.shape} in place of {wanted.dtype}{wanted.shape}"
                )
            if case.name in ROUNDED:
                np.testing.assert_allclose(found, wanted, case.rtol, case.atol)
                continue
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
