"""The public contract: every name that others write against is listed once, with what brings it.

A name is present, or waits for the piece of work that its entry names. A present name must
resolve; a waiting one must not, so that whoever brings it moves its entry.
"""

from __future__ import annotations

import importlib
import inspect
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gpudl as gd

# ----- the array API standard 2025.12: the main namespace and the two extensions -----
CONSTANTS = "e inf nan newaxis pi"
CREATION = (
    "arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones "
    "ones_like tril triu zeros zeros_like"
)
DTYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128"
)
DTYPE_FUNCTIONS = "astype broadcast_arrays broadcast_to can_cast finfo iinfo isdtype result_type"
ELEMENTWISE = (
    "abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift "
    "bitwise_invert bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos "
    "cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot imag isfinite "
    "isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and logical_not "
    "logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive "
    "pow real reciprocal remainder round sign signbit sin sinh square sqrt subtract tan tanh "
    "trunc"
)
LINEAR = "matmul matrix_transpose tensordot vecdot"
MANIPULATION = (
    "broadcast_shapes concat expand_dims flip moveaxis permute_dims repeat reshape roll "
    "squeeze stack tile unstack"
)
SEARCHING = (
    "argmax argmin argsort count_nonzero nonzero searchsorted sort take take_along_axis where"
)
SETS = "isin unique_all unique_counts unique_inverse unique_values"
STATISTICS = "cumulative_prod cumulative_sum max mean min prod std sum var"
UTILITY = "all any diff __array_api_version__ __array_namespace_info__"
LINALG = (
    "cholesky cross det diagonal eig eigh eigvals eigvalsh inv matmul matrix_norm "
    "matrix_power matrix_rank matrix_transpose outer pinv qr slogdet solve svd svdvals "
    "tensordot trace vecdot vector_norm"
)
FFT = "fft fftfreq fftn fftshift hfft ifft ifftn ifftshift ihfft irfft irfftn rfft rfftfreq rfftn"

# NumPy's habits, the tensor, transforms, what people build with, devices, seeing inside
BEYOND = (
    "einsum bfloat16 float16 outer Tensor tensor Tensor.requires_grad Tensor.backward "
    "Tensor.grad Tensor.retain_grad Tensor.register_hook Tensor.detach Tensor.numpy "
    "Tensor.item Tensor.to Tensor.cpu Tensor.cuda Tensor.contiguous Tensor.reshape Tensor.T "
    "Tensor.sum Tensor.__array_ufunc__ Tensor.__setitem__ no_grad enable_grad detect_anomaly "
    "set_num_threads get_num_threads manual_seed Generator Generator.get_state "
    "Generator.set_state grad value_and_grad vjp jacrev hessian checkpoint custom_vjp "
    "nn.functional_call testing.gradcheck testing.gradgradcheck testing.assert_close "
    "nn.Module nn.Sequential nn.ModuleList nn.ModuleDict nn.Linear nn.Conv1d nn.Conv2d "
    "nn.Conv3d nn.ConvTranspose1d nn.ConvTranspose2d nn.ConvTranspose3d nn.BatchNorm1d "
    "nn.BatchNorm2d nn.LayerNorm nn.GroupNorm nn.InstanceNorm2d nn.RMSNorm nn.MultiheadAttention "
    "nn.Transformer nn.TransformerEncoderLayer nn.TransformerDecoderLayer "
    "nn.functional.scaled_dot_product_attention nn.utils.parametrize.register_parametrization "
    "nn.utils.parametrizations.weight_norm nn.utils.parametrizations.spectral_norm "
    "nn.utils.parametrizations.orthogonal nn.Dropout nn.Flatten nn.MaxPool2d nn.AvgPool2d "
    "nn.RNN nn.LSTM nn.GRU nn.RNNCell nn.LSTMCell nn.GRUCell nn.utils.rnn.PackedSequence "
    "nn.utils.rnn.pack_padded_sequence nn.utils.rnn.pad_packed_sequence "
    "nn.utils.rnn.pad_sequence nn.utils.rnn.pack_sequence "
    "nn.CrossEntropyLoss nn.MSELoss nn.functional nn.init optim.SGD optim.Adam optim.AdamW "
    "optim.RMSprop optim.lr_scheduler "
    "optim.Adagrad optim.Adadelta optim.Adafactor optim.Adamax optim.NAdam optim.RAdam optim.ASGD "
    "optim.Rprop optim.LBFGS optim.Muon optim.LAMB optim.Lion optim.swa_utils.AveragedModel "
    "nn.monitor.Monitor nn.summary nn.utils.clip_grad_norm_ nn.utils.clip_grad_value_ "
    "metrics.accuracy metrics.top_k_accuracy metrics.f1_score metrics.confusion_matrix "
    "metrics.roc_auc metrics.perplexity metrics.frechet_distance metrics.psnr "
    "data.Dataset data.DataLoader data.load_digits "
    "data.load_mnist random.uniform random.normal random.integers random.permutation "
    "random.bernoulli save load device default_device config show_config errors.GpudlError "
    "profiler.profile profiler.record"
)
STANDARD: dict[str, str] = {
    "": " ".join(
        [
            CONSTANTS,
            CREATION,
            DTYPES,
            DTYPE_FUNCTIONS,
            ELEMENTWISE,
            LINEAR,
            MANIPULATION,
            SEARCHING,
            SETS,
            STATISTICS,
            UTILITY,
        ]
    ),
    "linalg.": LINALG,
    "fft.": FFT,
}
# name -> the piece of work that brings it
WAITING: dict[str, str] = {
    "jit": "jit",
    "vmap": "forward mode and vectorisation",
    "jvp": "forward mode and vectorisation",
    "jacfwd": "forward mode and vectorisation",
    "kernel": "kernels of your own",
    "cuda_kernel": "kernels of your own",
    "numba_kernel": "kernels of your own",
    "testing.check_kernel": "kernels of your own",
}
COMMANDS = {"info", "doctor", "train", "sample", "report", "bench", "kernels"}


def present() -> list[str]:
    return BEYOND.split() + [
        f"{prefix}{n}" for prefix, group in STANDARD.items() for n in group.split()
    ]


def resolve(name: str) -> Any:
    value: Any = gd
    path = "gpudl"
    for part in name.split("."):
        path = f"{path}.{part}"
        try:
            value = (
                inspect.getattr_static(value, part)
                if isinstance(value, type)
                else getattr(value, part)
            )
        except AttributeError:
            value = importlib.import_module(path)
    return value


def test_every_name_is_listed_once():
    names = present()
    assert len(names) == len(set(names))
    assert not set(names) & set(WAITING)
    assert len(names) > 200


@pytest.mark.parametrize("name", present())
def test_present(name):
    resolve(name)


@pytest.mark.parametrize("name", WAITING)
def test_waiting(name):
    with pytest.raises((AttributeError, ImportError)):
        resolve(name)


def test_devices():
    assert gd.device("emu").kind == "emu"
    assert gd.device("emu:1").index == 1
    if gd.cuda.is_available():
        assert gd.device("cuda:0").kind == "cuda"
    else:
        with pytest.raises((gd.errors.DeviceError, ImportError), match="no GPU can be used"):
            gd.device("cuda:0")


def test_commands():
    from gpudl import cli

    assert set(cli.COMMANDS) == COMMANDS


def test_the_program_is_installed():
    script = shutil.which("gpudl", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("gpudl is imported from a folder, not installed: it has no program")
    done = subprocess.run([script, "info"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ----- signatures that the contract spells out -----
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tensor", "(data, dtype=None, device=None, requires_grad=False)"),
        (
            "Tensor.backward",
            "(self, gradient=None, retain_graph=None, create_graph=False, inputs=None)",
        ),
        ("grad", "(f, argnums=0, has_aux=False)"),
        ("hessian", "(f, argnums=0)"),
        ("set_num_threads", "(n)"),
        ("manual_seed", "(seed)"),
    ],
)
def test_signatures(name, expected):
    signature = inspect.signature(resolve(name))
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    positional = [
        p.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for p in bare
        if p.kind is not inspect.Parameter.KEYWORD_ONLY or p.default is not p.empty
    ]
    shown = str(signature.replace(parameters=positional, return_annotation=signature.empty))
    assert shown == expected


def test_errors_are_also_pythons():
    own = [cls for cls in vars(gd.errors).values() if isinstance(cls, type)]
    own = [cls for cls in own if issubclass(cls, gd.errors.GpudlError)]
    assert len(own) > 10
    for cls in own:
        python = [base for base in cls.__mro__ if base.__module__ == "builtins"]
        assert python[0] is not Exception or cls is gd.errors.GpudlError, cls


def test_types_are_shipped():
    assert (Path(gd.__file__).parent / "py.typed").is_file()
