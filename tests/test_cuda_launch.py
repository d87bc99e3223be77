"""The native launcher against a libcuda that checks and records (tests/cuda/fake_libcuda.cpp)."""

from __future__ import annotations

import ctypes
import gc
import shutil
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

_C = pytest.importorskip("gpudl._C", reason="the extension is not built")

SOURCE = Path(__file__).parent / "cuda" / "fake_libcuda.cpp"
CUBIN = b"scale 8 8 4 4\nmixed 4 4 8 8 4 8\nmapped 128 8\nfail_700\nfail_999\n"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("g++") is None:
        pytest.skip("no g++ to build the double of libcuda")
    path = tmp_path_factory.mktemp("cuda") / "libcuda.so.1"
    command = ["g++", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Wextra", "-o", str(path)]
    subprocess.run([*command, str(SOURCE)], check=True)
    return path


@pytest.fixture(scope="module")
def fake(library: Path) -> Any:
    made = ctypes.CDLL(str(library))
    made.fake_launch.restype = ctypes.c_char_p
    return made


@pytest.fixture
def module(library: Path, fake: Any) -> Any:
    return _C.CudaDriver.load(str(library)).module(CUBIN)


def launched(fake: Any) -> tuple[str, list[bytes]]:
    head, *parameters = fake.fake_launch().decode().split("\n")
    return head, [bytes.fromhex(p) for p in parameters]


def array(address: int) -> Any:
    return SimpleNamespace(data=SimpleNamespace(ptr=address))


def test_a_missing_driver_says_which() -> None:
    with pytest.raises(RuntimeError, match=r"no_such_libcuda\.so"):
        _C.CudaDriver.load("no_such_libcuda.so")


def test_arguments_are_packed_by_the_signature(module: Any, fake: Any) -> None:
    scale = module.function("scale", "PPfi")
    scale.launch((array(0x1000), None, 0.5, -3), (4, 5, 6), (32, 2, 1), shared=48, stream=77)
    head, parameters = launched(fake)
    assert head == "scale 4 5 6 32 2 1 48 77"
    assert parameters == [
        struct.pack(c, v) for c, v in zip("QQfi", (0x1000, 0, 0.5, -3), strict=True)
    ]


def test_every_letter(module: Any, fake: Any) -> None:
    mixed = module.function("mixed", "iIqQfd")
    values = (-(2**31), 2**32 - 1, -(2**63), 2**64 - 1, 1.5, 0.1)
    mixed.launch(values, (1, 1, 1), (1, 1, 1))
    assert launched(fake)[1] == [
        struct.pack("=" + c, v) for c, v in zip("iIqQfd", values, strict=True)
    ]


def test_structs_by_value_are_aligned(module: Any, fake: Any) -> None:
    mapped = module.function("mapped", "SP")
    mapped.launch((bytes(range(128)), 64), (1, 1, 1), (1, 1, 1))
    assert launched(fake)[1][0] == bytes(range(128))


def test_launch_attributes(module: Any, fake: Any) -> None:
    scale = module.function("scale", "PPfi")
    scale.launch(
        (1, 2, 0.0, 0),
        (8, 1, 1),
        (32, 1, 1),
        cluster=(2, 1, 1),
        cooperative=True,
        programmatic=True,
    )
    assert launched(fake)[0] == (
        "scale 8 1 1 32 1 1 0 0 attribute 2 1 0 0 attribute 6 1 0 0 attribute 4 2 1 1"
    )


def test_attributes_of_a_kernel(module: Any) -> None:
    scale = module.function("scale", "PPfi")
    expected = {"registers": 40, "shared": 256, "local": 0, "max_threads": 1024}
    assert scale.attributes(0) == expected
    scale.allow_shared(100_000, 0)
    scale.allow_large_clusters(0)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((1, 2, 0.0), ValueError, "3 arguments"),
        ((1, 2, 0.0, 2**31), TypeError, "argument 3, 2147483648, does not fit 'i'"),
        ((1, 2, "x", 0), TypeError, "does not fit 'f'"),
        ((object(), 2, 0.0, 0), AttributeError, "data"),
        ((-1, 2, 0.0, 0), TypeError, "does not fit 'P'"),
    ],
)
def test_wrong_arguments_raise_and_launch_nothing(
    module: Any, fake: Any, arguments: Any, error: Any, match: str
) -> None:
    scale = module.function("scale", "PPfi")
    scale.launch((1, 2, 3.0, 4), (1, 1, 1), (1, 1, 1))
    before = fake.fake_launch()
    with pytest.raises(error, match=match):
        scale.launch(arguments, (2, 1, 1), (1, 1, 1))
    assert fake.fake_launch() == before


def test_a_signature_that_the_kernel_contradicts(module: Any) -> None:
    with pytest.raises(ValueError, match="takes 4 parameters"):
        module.function("scale", "PPf")
    with pytest.raises(ValueError, match="parameter 3 takes 4 bytes, not 8"):
        module.function("scale", "PPfq").launch((1, 2, 0.0, 0), (1, 1, 1), (1, 1, 1))
    with pytest.raises(ValueError, match="4096 bytes"):
        module.function("mapped", "SP").launch((bytes(8192), 0), (1, 1, 1), (1, 1, 1))


def test_errors_carry_the_call_and_the_code(module: Any) -> None:
    with pytest.raises(_C.CudaError, match="ILLEGAL_ADDRESS") as caught:
        module.function("fail_700", "").launch((), (1, 1, 1), (1, 1, 1))
    assert (caught.value.call, caught.value.code) == ("cuLaunchKernelEx", 700)
    with pytest.raises(_C.CudaError, match=r"unknown error \(999\)"):
        module.function("fail_999", "").launch((), (1, 1, 1), (1, 1, 1))
    with pytest.raises(_C.CudaError, match="cuLibraryGetKernel: CUDA_ERROR_NOT_FOUND"):
        module.function("nothing", "")


def test_tensor_maps(library: Path) -> None:
    driver = _C.CudaDriver.load(str(library))
    options = {"extents": [72, 65], "strides": [144], "box": [64, 64], "swizzle": 3}
    made = driver.tensor_map(dtype=9, address=0x1000, **options)
    assert struct.unpack("16Q", made)[:9] == (9, 2, 0x1000, 72, 144, 64, 1, 3, 20)
    with pytest.raises(_C.CudaError):
        driver.tensor_map(dtype=9, address=0x1001, **options)
    with pytest.raises(ValueError, match="stride less"):
        driver.tensor_map(dtype=9, address=0x1000, extents=[1], strides=[1], box=[1], swizzle=0)


def test_a_module_lives_as_long_as_its_functions(library: Path, fake: Any) -> None:
    gc.collect()
    before = fake.fake_libraries()
    module = _C.CudaDriver.load(str(library)).module(CUBIN)
    function = module.function("scale", "PPfi")
    del module
    assert fake.fake_libraries() == before + 1
    function.launch((1, 2, 0.0, 0), (1, 1, 1), (1, 1, 1))
    del function
    assert fake.fake_libraries() == before
