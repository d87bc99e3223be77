"""ONNX's node tests: what it expects of each operator, beside what gpudl computes.

The operators are calls of gpudl in `onnx_nodes/`, a table a family; a case that gpudl does not pass
is listed in `onnx_nodes/explained.py` with the reason, and docs/onnx-nodes.md has the counts.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pytest

from gpudl import tolerances

onnx = pytest.importorskip("onnx", reason="runs the node tests of the package onnx (extra peers)")
if not onnx.__version__.startswith("1.23."):
    pytest.skip("counts and names are those of onnx 1.23", allow_module_level=True)

from onnx.reference import ReferenceEvaluator  # noqa: E402
from onnx_nodes import ADAPTERS, FAMILIES, OTHERS, explained, run, table  # noqa: E402

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("family", [*FAMILIES, OTHERS])
@pytest.mark.parametrize("device", ["cpu", "emu"])
def test_cases(family: str, device: str, count: Any) -> None:
    """A case that is not explained passes, and one that is explained does not."""
    results = run.outcomes(family, device)
    wrong = [r for r in results if bool(r.error) != bool(r.reason)]
    passed = sum(not r.error for r in results)
    count(f"ONNX nodes on {device}", passed, len(results))
    if device == "cpu":
        kept = "" if family == OTHERS else table.note(results)
        count(f"ONNX nodes, {family}{kept}", passed, len(results))
    assert results
    assert not wrong, "\n".join(f"{r.name}: {r.error or 'passes, but is explained'}" for r in wrong)


def as_the_reference(
    op: str,
    inputs: list[str],
    outputs: list[str],
    arrays: dict[str, np.ndarray],
    domain: tuple[str, int],
    options: dict[str, Any],
) -> None:
    """Compare a node with what ONNX's reference computes of it."""
    helper = onnx.helper
    node = helper.make_node(op, inputs, outputs, domain=domain[0], **options)
    dtypes = {name: helper.np_dtype_to_tensor_dtype(x.dtype) for name, x in arrays.items()}
    graph = helper.make_graph(
        [node],
        op,
        [helper.make_tensor_value_info(name, dtypes[name], x.shape) for name, x in arrays.items()],
        [helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*domain)])
    expected = ReferenceEvaluator(model).run(None, arrays)
    for found, wanted in zip(run.results(graph, [*arrays.values()]), expected, strict=True):
        run.agree(found, wanted, tolerances.largest(*arrays.values()))


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_with_random_weights(kind: str, layout: int, direction: str) -> None:
    """The weights of ONNX's own cases are all equal, so they cannot tell one gate from another."""
    T, N, I, H = 5, 3, 4, 6
    D, G = 1 + (direction == "bidirectional"), {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    state = (N, D, H) if layout else (D, N, H)
    shapes = {
        "X": (N, T, I) if layout else (T, N, I),
        "W": (D, G * H, I),
        "R": (D, G * H, H),
        "B": (D, 2 * G * H),
        "initial_h": state,
        **({"initial_c": state} if kind == "LSTM" else {}),
    }
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    names = [*arrays]
    options = {"hidden_size": H, "direction": direction, "layout": layout}
    if kind == "GRU":
        options["linear_before_reset"] = 1
    outputs = ["Y", "Y_h", "Y_c"][: 2 + (kind == "LSTM")]
    as_the_reference(kind, [*names[:4], "", *names[4:]], outputs, arrays, ("", 22), options)


OPTIMIZERS = {
    "Adam": (2, {"alpha": 0.8, "beta": 0.95, "epsilon": 1e-3, "norm_coefficient": 0.1}),
    "Adagrad": (1, {"decay_factor": 0.2, "epsilon": 1e-3, "norm_coefficient": 0.1}),
    "Momentum": (1, {"alpha": 0.8, "beta": 0.7, "mode": "standard", "norm_coefficient": 0.1}),
}


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_at_later_steps(name: str, step: int) -> None:
    """ONNX's own cases are first steps, where decays and corrections do nothing."""
    states, options = OPTIMIZERS[name]
    rng = np.random.default_rng(0)
    arrays = {"R": np.array(0.1, np.float32), "T": np.array(step)}
    for part in ("X", "G", *(f"S{i}_" for i in range(states))):
        arrays |= {f"{part}{i}": rng.uniform(0.1, 1, 3 + i).astype("f4") for i in range(2)}
    outputs = [f"{key}_new" for key in arrays if key[0] in "XS"]
    domain = ("ai.onnx.preview.training", 1)
    as_the_reference(name, [*arrays], outputs, arrays, domain, options)


def test_every_operator_has_a_place() -> None:
    known = {node.op_type for case in run.cases().values() for node in case.model.graph.node}
    assert not known - {*ADAPTERS, *explained.WITHOUT_ADAPTER}
    assert not {*ADAPTERS} & {*explained.WITHOUT_ADAPTER}


def test_every_explanation_is_needed() -> None:
    names = [*run.cases()]
    operators = {node.op_type for case in run.cases().values() for node in case.model.graph.node}
    patterns = [p for group in explained.EXPLAINED.values() for p in group]
    assert [p for p in patterns if not any(fnmatchcase(n, p) for n in names)] == []
    assert {*explained.WITHOUT_ADAPTER} <= operators
    assert {*explained.ROUNDED} <= {*names}


def test_the_page_is_fresh() -> None:
    """Run `python scripts/make_onnx_table.py` after a change."""
    assert table.PAGE.read_text() == table.page()
