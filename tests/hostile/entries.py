"""A valid call for every public function; hostile calls replace one of its arguments.

Required parameters that have a usual meaning are filled by name (`BY_NAME`); the rest is in
`CALLS`.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import gpudl as gd
from gpudl import nn
from gpudl.nn import functional as F

from . import training
from .layer_calls import FUNCTIONS as LAYER_FUNCTIONS
from .layer_calls import IMAGES as _IMAGES
from .layer_calls import LAYERS as MORE_LAYERS
from .values import call, ints, square, t


class Entry(NamedTuple):
    """A public callable under a name, and a maker of arguments it takes."""

    name: str
    function: Callable[..., Any]
    arguments: Callable[[], tuple[list[Any], dict[str, Any]]]


def folder() -> Path:
    return Path(tempfile.gettempdir()) / "gpudl-hostile"


def saved() -> Path:
    path = folder() / "saved.safetensors"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        gd.save({"a": t(2, 3)}, path)
    return path


BY_NAME: dict[str, Callable[[], Any]] = {
    **dict.fromkeys(
        (
            "x",
            "x1",
            "x2",
            "a",
            "b",
            "input",
            "input1",
            "input2",
            "tensor",
            "tensor_",
            "data",
            "obj",
        ),
        lambda: t(3, 4),
    ),
    **dict.fromkeys(("target", "positive", "negative", "anchor", "var"), lambda: t(3, 4)),
    **dict.fromkeys(("shape", "axes", "repetitions"), lambda: (1, 0)),
    **dict.fromkeys(
        ("axis", "axis1", "source", "dim", "n", "low", "start", "shift", "seed"), lambda: 0
    ),
    **dict.fromkeys(("axis2", "destination", "stop", "repeats", "indices_or_sections"), lambda: 1),
    **dict.fromkeys(("num", "n_rows", "num_classes", "classes"), lambda: 5),
    **dict.fromkeys(
        ("fill_value", "p", "val", "threshold", "value", "max_norm", "clip_value"), lambda: 0.5
    ),
    **dict.fromkeys(("kernel_size", "output_size"), lambda: 2),
    **dict.fromkeys(("dtype", "to", "from_", "type"), lambda: gd.float32),
    "arrays": lambda: [t(3, 4), t(3, 4)],
    "tensors": lambda: [t(3), t(4)],
    "condition": lambda: ints(3, 4) > 1,
    "f": lambda: lambda x: (x * x).sum(),
    "inputs": lambda: [gd.ones(2, dtype=gd.float64, requires_grad=True)],
    "parameters": lambda: [nn.Parameter(t(3))],
    "name": lambda: "cpu",
    "path": saved,
    "weight": lambda: t(4, 4),
    "dataset": lambda: [1, 2, 3, 4],
    "samples": lambda: [t(2), t(2)],
    "predictions": lambda: ints(6),
    "labels": lambda: ints(6),
}


def _conv(d: int, transposed: bool = False) -> tuple[list[Any], dict[str, Any]]:
    space = (6, 5, 4)[:d]
    weight = t(2, 3, *(2,) * d) if transposed else t(3, 2, *(2,) * d)
    return call(
        t(2, 2, *space),
        weight,
        bias=t(3),
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
    )


def _pool(d: int) -> tuple[list[Any], dict[str, Any]]:
    return call(t(2, 2, *(6, 5, 4)[:d]), 2, stride=1, padding=0)


def _bits() -> tuple[list[Any], dict[str, Any]]:
    return call(ints(3, 4), ints(3, 4))


CALLS: dict[str, Callable[[], tuple[list[Any], dict[str, Any]]]] = {
    **{f"gd.bitwise_{n}": _bits for n in ("and", "or", "xor", "left_shift", "right_shift")},
    "gd.bitwise_invert": lambda: call(ints(3, 4)),
    "gd.matmul": lambda: call(t(3, 4), t(4, 2)),
    "gd.dot": lambda: call(t(4), t(4)),
    "gd.tensordot": lambda: call(t(3, 4), t(4, 2), axes=1),
    "gd.outer": lambda: call(t(3), t(4)),
    "gd.einsum": lambda: call("ij,jk->ik", t(3, 4), t(4, 2)),
    "gd.reshape": lambda: call(t(3, 4), (4, 3)),
    "gd.broadcast_to": lambda: call(t(3, 1), (3, 4)),
    "gd.broadcast_shapes": lambda: call((3, 1), (1, 4)),
    "gd.broadcast_arrays": lambda: call(t(3, 1), t(1, 4)),
    "gd.squeeze": lambda: call(t(1, 4), axis=0),
    "gd.concat": lambda: call([t(3, 4), t(3, 4)], axis=0),
    "gd.pad": lambda: call(t(3, 4), ((1, 1), (0, 2))),
    "gd.take": lambda: call(t(3, 4), ints(2), axis=0),
    "gd.take_along_axis": lambda: call(t(3, 4), ints(3, 2), axis=1),
    "gd.searchsorted": lambda: call(t(4), t(3)),
    "gd.one_hot": lambda: call(ints(4), 3),
    "gd.meshgrid": lambda: call(t(3), t(4)),
    "gd.arange": lambda: call(0, 5, 1),
    "gd.cumulative_sum": lambda: call(t(3, 4), axis=1),
    "gd.cumulative_prod": lambda: call(t(3, 4), axis=1),
    "gd.isdtype": lambda: call(gd.float32, "real floating"),
    "gd.iinfo": lambda: call(gd.int32),
    "gd.result_type": lambda: call(gd.float32, gd.float64),
    "gd.config": lambda: call(debug=0),
    "gd.save": lambda: call({"a": t(2)}, folder() / "written.safetensors"),
    **{f"gd.atleast_{d}d": lambda: call(t(3, 4)) for d in (1, 2, 3)},
    **{f"gd.{n}": lambda: call(t(3, 4), axis=1) for n in ("cumprod", "cumsum")},
    **{f"F.{n}": lambda: call(t(3, 4), dim=1) for n in ("softmax", "log_softmax", "softmin")},
    "gd.vjp": lambda: call(lambda x: x * x, t(3)),
    "gd.hessian": lambda: call(lambda x: (x * x).sum()),
    "gd.real": lambda: call(t(3)),
    "gd.imag": lambda: call(gd.ones(3, dtype=gd.complex64)),
    "gd.set_num_threads": lambda: call(gd.get_num_threads()),
    "gd.from_dlpack": lambda: call(np.ones(3, np.float32)),
    "gd.linspace": lambda: call(0.0, 1.0, 5),
    "gd.logspace": lambda: call(0.0, 1.0, 5),
    "gd.roll": lambda: call(t(3, 4), 1, axis=0),
    "gd.tile": lambda: call(t(3, 4), (1, 2)),
    "gd.repeat": lambda: call(t(3, 4), 2, axis=0),
    "gd.split": lambda: call(t(4, 4), 2, axis=0),
    "gd.checkpoint": lambda: call(lambda x: x * x),
    "io.save": lambda: call({"a": t(2)}, folder() / "written.safetensors"),
    "io.save_safetensors": lambda: call({"a": np.ones(2)}, folder() / "arrays.safetensors"),
    **{
        f"linalg.{n}": lambda: call(square())
        for n in ("cholesky", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "slogdet")
    },
    "linalg.solve": lambda: call(square(), t(3, 2)),
    "linalg.matrix_power": lambda: call(square(), 3),
    "linalg.cross": lambda: call(t(4, 3), t(4, 3)),
    **{
        f"fft.{n}": lambda: call(gd.ones(6, dtype=gd.complex64))
        for n in ("fft", "ifft", "irfft", "hfft")
    },
    **{
        f"fft.{n}": lambda: call(gd.ones((4, 6), dtype=gd.complex64))
        for n in ("fftn", "ifftn", "irfftn")
    },
    **{f"fft.{n}": lambda: call(t(6)) for n in ("rfft", "ihfft")},
    **{f"fft.{n}": lambda: call(6, d=0.5) for n in ("fftfreq", "rfftfreq")},
    "random.integers": lambda: call(0, 5, (3,)),
    "random.bits": lambda: call((3,)),
    "random.bernoulli": lambda: call(0.5, (3,)),
    "random.uniform": lambda: call((3,), 0.0, 1.0),
    "random.normal": lambda: call((3,), 0.0, 1.0),
    "data.split_text": lambda: call("abc" * 20),
    "data.random_split": lambda: call([1, 2, 3, 4], [2, 2]),
    "data.default_collate": lambda: call([t(2), t(2)]),
    "data.sample_seed": lambda: call(),
    "data.sample_rng": lambda: call(),
    "autograd.backward": lambda: call((gd.ones(1, requires_grad=True) * 2).sum()),
    "autograd.grad": lambda: _graph(),
    "testing.gradgradcheck": lambda: call(
        lambda x: (x * x).sum(), [gd.ones(2, dtype=gd.float64, requires_grad=True)]
    ),
    "testing.gradcheck": lambda: call(
        lambda x: (x * x).sum(), [gd.ones(2, dtype=gd.float64, requires_grad=True)]
    ),
    "testing.assert_close": lambda: call(t(3), t(3)),
    "metrics.confusion_matrix": lambda: call(ints(6), ints(6), 3),
    "metrics.top_k_accuracy": lambda: call(t(6, 4), ints(6), k=2),
    "metrics.roc_auc": lambda: call(t(6), ints(6, high=2)),
    "metrics.perplexity": lambda: call(t(6, 4), ints(6)),
    "metrics.psnr": lambda: call(t(3, 4), t(3, 4) * 0.5),
    "metrics.frechet_distance": lambda: call(t(6, 3), t(5, 3)),
    "swa_utils.update_bn": lambda: call([t(4, 3)], nn.Sequential(nn.BatchNorm1d(3))),
    **{f"swa_utils.get_ema_{n}avg_fn": lambda: call(0.9) for n in ("", "multi_")},
    "utils.clip_grads_with_norm_": lambda: call([nn.Parameter(t(3))], 0.5, t(3).sum()),
    "init.calculate_gain": lambda: call("relu"),
    "init.dirac_": lambda: call(t(3, 3, 2)),
    "init.sparse_": lambda: call(t(3, 4), 0.5),
    "parametrize.cached": lambda: call(),
    "parametrize.register_parametrization": lambda: call(nn.Linear(3, 2), "bias", nn.ReLU()),
    "parametrize.remove_parametrizations": lambda: call(
        nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), "weight"
    ),
    **{
        f"parametrize.{n}": lambda: call(nn.Linear(3, 2))
        for n in ("is_parametrized", "type_before_parametrizations")
    },
    **{
        f"parametrizations.{n}": lambda: call(nn.Linear(3, 2), "weight")
        for n in ("weight_norm", "spectral_norm", "orthogonal")
    },
    "rnn.invert_permutation": lambda: call(gd.tensor([2, 0, 1])),
    "rnn.pack_padded_sequence": lambda: call(t(3, 4), [3, 2, 2, 1]),
    "rnn.pad_packed_sequence": lambda: call(nn.utils.rnn.pack_sequence([t(3), t(2)])),
    "rnn.unpack_sequence": lambda: call(nn.utils.rnn.pack_sequence([t(3), t(2)])),
    "rnn.pack_sequence": lambda: call([t(3), t(2)]),
    "rnn.pad_sequence": lambda: call([t(3), t(2)]),
    "rnn.unpad_sequence": lambda: call(t(3, 2), [3, 2]),
    "utils.vector_to_parameters": lambda: call(t(3), [nn.Parameter(t(3))]),
    **{f"F.conv{d}d": (lambda d=d: _conv(d)) for d in (1, 2, 3)},
    **{f"F.conv_transpose{d}d": (lambda d=d: _conv(d, True)) for d in (1, 2, 3)},
    **{f"F.{k}_pool{d}d": (lambda d=d: _pool(d)) for d in (1, 2, 3) for k in ("max", "avg")},
    **{
        f"F.adaptive_avg_pool{d}d": (lambda d=d: call(t(2, 2, *(6, 5, 4)[:d]), 2))
        for d in (1, 2, 3)
    },
    **{f"F.dropout{d}d": (lambda d=d: call(t(2, 2, *(6, 5, 4)[:d]))) for d in (1, 2, 3)},
    "F.batch_norm": lambda: call(
        t(4, 3), gd.zeros(3), gd.ones(3), weight=t(3), bias=t(3), training=True
    ),
    "F.layer_norm": lambda: call(t(3, 4), (4,), weight=t(4), bias=t(4)),
    "F.group_norm": lambda: call(t(3, 4, 2), 2, weight=t(4), bias=t(4)),
    "F.instance_norm": lambda: call(
        t(3, 4, 2), gd.zeros(4), gd.ones(4), weight=t(4), bias=t(4), momentum=0.1
    ),
    "F.rms_norm": lambda: call(t(3, 4), (4,), weight=t(4)),
    "F.local_response_norm": lambda: call(t(2, 4, 3), 2),
    "F.rotary_embedding": lambda: call(t(2, 3, 4), t(3, 2), t(3, 2)),
    "F.scaled_dot_product_attention": lambda: call(
        t(2, 3, 4), t(2, 5, 4), t(2, 5, 4), attn_mask=t(3, 5), dropout_p=0.1
    ),
    "F.multi_head_attention_forward": lambda: call(
        t(3, 2, 4),
        t(5, 2, 4),
        t(5, 2, 4),
        4,
        2,
        t(12, 4),
        t(12),
        None,
        None,
        False,
        0.0,
        t(4, 4),
        t(4),
        attn_mask=t(3, 5),
        key_padding_mask=t(2, 5),
    ),
    "F.linear": lambda: call(t(3, 4), t(2, 4), t(2)),
    "F.bilinear": lambda: call(t(3, 4), t(3, 2), t(5, 4, 2), t(5)),
    "F.embedding": lambda: call(ints(3), t(5, 4)),
    "F.cross_entropy": lambda: call(t(3, 4), ints(3), weight=t(4)),
    "F.nll_loss": lambda: call(t(3, 4), ints(3)),
    "F.cosine_embedding_loss": lambda: call(t(3, 4), t(3, 4), gd.ones(3)),
    "F.one_hot": lambda: call(ints(4), 3),
    "F.pad": lambda: call(t(3, 4), (1, 1)),
    "F.prelu": lambda: call(t(3, 4), t(1)),
    "F.glu": lambda: call(t(3, 4)),
    **LAYER_FUNCTIONS,
}


def _graph() -> tuple[list[Any], dict[str, Any]]:
    x = gd.ones(3, requires_grad=True)
    return call((x * x).sum(), x)


# Not called with hostile arguments, and why.
LEFT_OUT = {
    "machinery of the engine, not for callers": {
        f"autograd.{n}"
        for n in (
            "compute",
            "hooked",
            "is_leaf",
            "make",
            "new_leaf",
            "result_class",
            "row",
            "rows",
            "set_algebra",
            "set_result_class",
        )
    },
    "downloads what is not there": {"data.load_mnist", "data.load_text"},
    "prints": {"gd.show_config"},
    "is a test: AssertionError is its result": {"testing.assert_close"},
    "always raises": {"Tensor.view", "Tensor.cuda"},
}

METHODS: dict[str, Callable[[], tuple[list[Any], dict[str, Any]]]] = {
    "reshape": lambda: call((4, 3)),
    "permute": lambda: call(1, 0),
    "transpose": lambda: call(1, 0),
    "swapaxes": lambda: call(0, 1),
    "repeat": lambda: call(2, axis=0),
    "unsqueeze": lambda: call(0),
    "astype": lambda: call(gd.float64),
    "to": lambda: call(gd.float64),
    "to_device": lambda: call("cpu"),
    "cumsum": lambda: call(0),
    "copy_": lambda: call(t(3, 4)),
    "fill_": lambda: call(0.5),
    "clip": lambda: call(0.1, 0.5),
    "register_hook": lambda: call(lambda g: g),
    "backward": lambda: call(t(3, 4)),
    "retain_grad": lambda: call(),
    "__getitem__": lambda: call((slice(None), 1)),
    "__setitem__": lambda: call((slice(None), 1), 0.5),
    "__array__": lambda: call(),
    "__dlpack__": lambda: call(),
    "__format__": lambda: call(""),
    "item": lambda: call(),
}
NEEDS_GRAD = ("register_hook", "backward", "retain_grad")
ONE_ELEMENT = ("item", "__float__", "__int__", "__bool__", "__complex__")
SPECIAL = (
    "__add__",
    "__radd__",
    "__sub__",
    "__mul__",
    "__truediv__",
    "__floordiv__",
    "__mod__",
    "__pow__",
    "__rpow__",
    "__matmul__",
    "__rmatmul__",
    "__and__",
    "__or__",
    "__xor__",
    "__lshift__",
    "__rshift__",
    "__eq__",
    "__lt__",
    "__iadd__",
    "__imul__",
    "__itruediv__",
    "__ipow__",
    "__iand__",
    "__imatmul__",
    "__getitem__",
    "__setitem__",
    "__contains__",
    "__array__",
    "__dlpack__",
    "__format__",
)

LAYERS: dict[
    str, tuple[Callable[[], tuple[list[Any], dict[str, Any]]], Callable[[], list[Any]]]
] = {
    **MORE_LAYERS,
    **{
        f"{kind}{d}d": (
            (
                lambda kind=kind: (
                    call(4, 4, 2)
                    if "Conv" in kind
                    else call(4)
                    if "Norm" in kind
                    else call(2)
                    if "Pool" in kind
                    else call()
                )
            ),
            (lambda d=d: [t(*_IMAGES[d])]),
        )
        for d in (1, 2, 3)
        for kind in (
            "Conv",
            "ConvTranspose",
            "BatchNorm",
            "MaxPool",
            "AvgPool",
            "AdaptiveAvgPool",
            "Dropout",
        )
    },
    **{n: (lambda: call(dim=1), lambda: [t(3, 4)]) for n in ("Softmax", "LogSoftmax", "Softmin")},
    "Linear": (lambda: call(4, 3), lambda: [t(3, 4)]),
    "Bilinear": (lambda: call(4, 2, 5), lambda: [t(3, 4), t(3, 2)]),
    "Embedding": (lambda: call(5, 4), lambda: [ints(3)]),
    "GroupNorm": (lambda: call(2, 4), lambda: [t(3, 4, 2)]),
    "RMSNorm": (lambda: call(4), lambda: [t(3, 4)]),
    "LocalResponseNorm": (lambda: call(2), lambda: [t(2, 4, 3)]),
    "CrossMapLRN2d": (lambda: call(3), lambda: [t(2, 4, 3, 2)]),
    **{f"InstanceNorm{d}d": (lambda: call(4), (lambda d=d: [t(*_IMAGES[d])])) for d in (1, 2, 3)},
    "MultiheadAttention": (lambda: call(4, 2), lambda: [t(3, 2, 4)] * 3),
    "Transformer": (lambda: call(4, 2, 1, 1, 3), lambda: [t(3, 2, 4), t(5, 2, 4)]),
    "TransformerEncoderLayer": (lambda: call(4, 2, 3), lambda: [t(3, 2, 4)]),
    "TransformerDecoderLayer": (lambda: call(4, 2, 3), lambda: [t(3, 2, 4), t(5, 2, 4)]),
    "TransformerEncoder": (
        lambda: call(nn.TransformerEncoderLayer(4, 2, 3), 2),
        lambda: [t(3, 2, 4)],
    ),
    "TransformerDecoder": (
        lambda: call(nn.TransformerDecoderLayer(4, 2, 3), 2),
        lambda: [t(3, 2, 4), t(5, 2, 4)],
    ),
    **{n: (lambda: call(4, 3), lambda: [t(5, 2, 4)]) for n in ("LSTM", "GRU", "RNN")},
    **{f"{n}Cell": (lambda: call(4, 3), lambda: [t(2, 4)]) for n in ("LSTM", "GRU", "RNN")},
    "RNNBase": (lambda: call("LSTM", 4, 3), lambda: [t(5, 2, 4)]),
    "LayerNorm": (lambda: call(4), lambda: [t(3, 4)]),
    "Unflatten": (lambda: call(1, (2, 2)), lambda: [t(3, 4)]),
    "Flatten": (lambda: call(), lambda: [t(3, 2, 2)]),
    "Threshold": (lambda: call(0.1, 0.5), lambda: [t(3, 4)]),
    "Sequential": (lambda: call(nn.ReLU(), nn.Linear(4, 2)), lambda: [t(3, 4)]),
    "CrossEntropyLoss": (lambda: call(), lambda: [t(3, 4), ints(3)]),
    "NLLLoss": (lambda: call(), lambda: [t(3, 4), ints(3)]),
    "GaussianNLLLoss": (lambda: call(), lambda: [t(3, 4), t(3, 4), t(3, 4)]),
    "TripletMarginLoss": (lambda: call(), lambda: [t(3, 4), t(3, 4), t(3, 4)]),
    "MarginRankingLoss": (lambda: call(), lambda: [t(3), t(3), gd.ones(3)]),
    "CosineEmbeddingLoss": (lambda: call(), lambda: [t(3, 4), t(3, 4), gd.ones(3)]),
    **{
        f"{n}Loss": (lambda: call(), lambda: [t(3, 4), t(3, 4)])
        for n in (
            "BCE",
            "BCEWithLogits",
            "HingeEmbedding",
            "Huber",
            "KLDiv",
            "L1",
            "MSE",
            "PoissonNLL",
            "SmoothL1",
        )
    },
}
CONTAINERS = {
    "Module", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Parameter",
    "RNNCellBase",
}  # fmt: skip
CONTAINERS |= {"UninitializedParameter", "UninitializedBuffer"}


def _functions(module: Any, label: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    left_out = set().union(*LEFT_OUT.values())
    home = module.__name__
    for name in dir(module):
        function = getattr(module, name)
        if (
            name.startswith("_")
            or not inspect.isfunction(function)
            or f"{label}.{name}" in left_out
        ):
            continue
        if function.__module__.startswith("gpudl") and (
            label in ("gd", "F")
            or function.__module__ == home
            or function.__module__.startswith(f"{home}.")
        ):
            yield name, function


def by_name(function: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
    """A value for each required parameter. Raises `KeyError` for a name that is not known."""
    required = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return [BY_NAME[name]() for name in required], {}


def _layer(name: str) -> Callable[..., Any]:
    """Construct a layer and call it: the parameters of the constructor first, then `input`."""
    cls = getattr(nn, name)

    def run(*args: Any, input: list[Any], **kwargs: Any) -> Any:
        return cls(*args, **kwargs)(*input)

    run.__signature__ = inspect.signature(cls)  # type: ignore[attr-defined]
    return run


def entries() -> list[Entry]:
    """Everything public. A name without a valid call raises `KeyError`."""
    found = []
    modules = {
        "gd": gd,
        "F": F,
        "linalg": gd.linalg,
        "fft": gd.fft,
        "random": gd.random,
        "io": gd.io,
        "data": gd.data,
        "init": nn.init,
        "utils": nn.utils,
        "parametrize": nn.utils.parametrize,
        "parametrizations": nn.utils.parametrizations,
        "rnn": nn.utils.rnn,
        "autograd": gd.autograd,
        "metrics": gd.metrics,
        "swa_utils": gd.optim.swa_utils,
        "testing": gd.testing,
    }
    for label, module in modules.items():
        for name, function in _functions(module, label):
            full = f"{label}.{name}"
            found.append(Entry(full, function, CALLS.get(full, lambda f=function: by_name(f))))
    for name in [n for n in dir(gd.Tensor) if not n.startswith("_")] + list(SPECIAL):
        function = getattr(gd.Tensor, name)
        if inspect.isfunction(function) and f"Tensor.{name}" not in LEFT_OUT["always raises"]:
            found.append(
                Entry(f"Tensor.{name}", function, lambda n=name, f=function: _method(n, f))
            )
    for name in dir(nn):
        cls = getattr(nn, name)
        if inspect.isclass(cls) and name not in CONTAINERS:
            made, given = LAYERS.get(name, (lambda: call(), lambda: [t(3, 4)]))
            found.append(
                Entry(f"nn.{name}", _layer(name), lambda m=made, g=given: _with_input(m(), g()))
            )
    found += [Entry(*entry) for entry in training.entries()]
    return found


def _with_input(
    made: tuple[list[Any], dict[str, Any]], given: list[Any]
) -> tuple[list[Any], dict[str, Any]]:
    return made[0], {**made[1], "input": given}


def _method(name: str, function: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
    x = t(1) if name in ONE_ELEMENT else t(3, 4)
    if "and__" in name or "or__" in name or "shift__" in name:
        return call(ints(3, 4), ints(3, 4))
    if "matmul" in name:
        return call(square(), square())
    if name in NEEDS_GRAD:
        x = gd.ones((3, 4), requires_grad=True) * 2
    if name in METHODS:
        args, kwargs = METHODS[name]()
        return [x, *args], kwargs
    n = sum(
        p.default is p.empty and p.kind < p.VAR_POSITIONAL
        for p in inspect.signature(function).parameters.values()
    )
    return [x, *[t(3, 4) for _ in range(n - 1)]], {}
