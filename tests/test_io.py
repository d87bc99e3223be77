"""Files: round trips, other programs, hostile files, and writers that are killed."""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import CheckpointError, GpudlError
from gpudl.io._safetensors import MAX_HEADER
from gpudl.io._tree import Packer, Unpacker

DTYPES = [
    np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64,
    np.float16, np.float32, np.float64, np.complex64, ml_dtypes.bfloat16,
    ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float8_e8m0fnu,
]  # fmt: skip
SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (37,), (3, 0, 2), (5, 4, 3), (1128, 2)]


def sample(shape: tuple[int, ...], dtype: Any) -> Any:
    values = np.random.default_rng(len(shape)).integers(0, 100, shape)
    return np.asarray(values).astype(dtype)


def layouts(x: Any) -> dict[str, Any]:
    """The same shape in other strides."""
    result = {"plain": x, "transposed": x.T.copy().T, "fortran": np.asfortranarray(x)}
    if x.ndim:
        result["reversed"] = np.ascontiguousarray(x[::-1])[::-1]
        wide = np.empty((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        result["strided"] = wide[..., ::2]
        result["broadcast"] = np.broadcast_to(x[:1], x.shape)
    return result


def same(a: Any, b: Any) -> bool:
    """Equal in dtype, shape and every bit."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


# ----- round trips -----


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
def test_arrays_come_back(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "a.safetensors"
    arrays = {
        f"{shape} {name}": x
        for shape in SHAPES
        for name, x in layouts(sample(shape, dtype)).items()
    }
    gd.io.save_safetensors(arrays, path, metadata={"note": "ü"})
    for mmap in (False, True):
        back = gd.io.load_safetensors(path, mmap=mmap)
        assert list(back) == list(arrays), "in the order in which they were given"
        for name, x in arrays.items():
            assert same(back[name], x), name
            assert back[name].flags.writeable != mmap or not x.size
    some = gd.io.load_safetensors(path, names=["(37,) plain"])
    assert list(some) == ["(37,) plain"]
    assert gd.io.read_metadata(path) == {"note": "ü"}
    with pytest.raises(CheckpointError, match="no tensor 'x'"):
        gd.io.load_safetensors(path, names=["x"])


def test_big_endian_arrays(tmp_path: Path) -> None:
    x = np.arange(7, dtype=">f4")
    gd.io.save_safetensors({"x": x}, tmp_path / "x")
    back = gd.io.load_safetensors(tmp_path / "x")["x"]
    assert back.dtype == np.float32
    assert back.tolist() == x.tolist()


def tree_round_trip(value: Any) -> Any:
    packer = Packer("save", lambda v: False, lambda v: v)
    text = packer.text(value)
    return Unpacker("load", packer.arrays, lambda v: v).value(text)


VALUES: list[Any] = [
    None, True, False, 0, -1, 2**70, 0.1, -0.0, 1e308, 5e-324, math.inf, -math.inf,
    "", "ü\n\x00\U0001f600",
    1 + 2j, complex(math.inf, -0.0), b"", b"\x00\xff", [], (), {}, [[]], ((),), [(1, [2, (3,)])],
    {"a": {"b": [1, None]}}, {1: "int", False: "bool"}, {None: 0, 0.5: 1, (1, "x"): 2},
    {"dict": {"tuple": {"float": "nan"}}}, {"tensor": "w"}, [{"tuple": [1]}],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v)[:30])
def test_values_come_back(value: Any) -> None:
    back = tree_round_trip(value)
    assert back == value
    assert repr(back) == repr(value), "types and signs of zero included"


def test_nan_and_numpy_scalars_come_back() -> None:
    assert math.isnan(tree_round_trip([math.nan])[0])
    back = tree_round_trip({"a": np.float32(0.1), "b": np.int8(3), "c": np.complex128(1j)})
    assert {k: type(v) for k, v in back.items()} == {
        "a": np.float32, "b": np.int8, "c": np.complex128,
    }  # fmt: skip
    assert back["a"] == np.float32(0.1)
    assert back["c"] == 1j


def test_arrays_in_trees() -> None:
    shared = np.arange(6.0).reshape(2, 3)
    value = {
        "a.b": shared,
        "a": {"b": -shared, "z": np.ones((0, 2), np.complex128)},
        "again": [shared],
    }
    packer = Packer("save", lambda v: False, lambda v: v)
    back = Unpacker("load", packer.arrays, lambda v: v).value(packer.text(value))
    assert len(packer.arrays) == 3, "the shared array is written once"
    assert back["again"][0] is back["a.b"]
    assert same(back["a"]["b"], -shared)
    assert same(back["a"]["z"], value["a"]["z"])


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, {"f": print}, [b"x", bytearray(1)], {b"k": 1}, {(1, b"k"): 1}, range(3)],
)
def test_values_that_cannot_be_saved(value: Any) -> None:
    with pytest.raises(CheckpointError):
        tree_round_trip(value)


def test_trees_without_end() -> None:
    loop: list[Any] = []
    loop.append({"again": loop})
    with pytest.raises(CheckpointError, match="contains itself"):
        tree_round_trip(loop)
    deep: Any = 0
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(CheckpointError, match="levels"):
        tree_round_trip(deep)


@pytest.mark.parametrize(
    "tree",
    [
        "1",
        "[]",
        "{}",
        '{"version":1}',
        '{"version":2,"tree":0}',
        '{"version":1,"tree":{"x":1}}',
        '{"version":1,"tree":{"tuple":1}}',
        '{"version":1,"tree":{"dict":[[1]]}}',
        '{"version":1,"tree":{"dict":[[[],1]]}}',
        '{"version":1,"tree":{"tensor":"none"}}',
        '{"version":1,"tree":{"tensor":[1]}}',
        '{"version":1,"tree":{"float":"x"}}',
        '{"version":1,"tree":{"bytes":"*"}}',
        '{"version":1,"tree":{"pairs":{"array":"a"}}}',
        '{"version":1,"tree":{"a":1,"b":2}}',
        '{"version":1,"tree":{"complex":[1]}}',
        '{"version":1,"tree":{"array":{}}}',
        '{"version":1,"tree":{"pairs":1}}',
        '{"version":1,"tree":' + "[" * 100_000 + "}",
        '{"version":1,"tree":{"complex":["a","b"]}}',
    ],
)
def test_trees_that_are_damaged(tree: str) -> None:
    with pytest.raises(CheckpointError):
        Unpacker("load", {"a": np.ones(3)}, lambda v: v).value(tree)


# ----- save and load -----


def test_a_state_dict_is_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    state = {
        "conv.weight": gd.tensor(sample((4, 3, 2, 2), np.float32).transpose(0, 2, 3, 1)),
        "conv.bias": gd.tensor(sample((4,), ml_dtypes.bfloat16), requires_grad=True),
        "steps": gd.tensor(np.int64(3)),
    }
    gd.save(state, path)
    assert gd.io.read_metadata(path) == {}
    back = gd.load(path)
    assert list(back) == list(state)
    for name, x in state.items():
        assert isinstance(back[name], gd.Tensor)
        assert not back[name].requires_grad
        assert same(back[name].numpy(), x.detach().numpy())
    back["conv.weight"][...] = 0.0  # the memory is the caller's


def test_a_training_state_comes_back(tmp_path: Path) -> None:
    w = gd.tensor(sample((3, 2), np.float32))
    value = {
        "model": {"w": w, "tied": w},
        "optimizer": {"state": {0: {"step": 7, "exp_avg": gd.tensor(sample((3, 2), np.float64))}}},
        "loader": {"epoch": 2, "seed": 2**63 + 1},
        "history": [(0, 0.5), (1, math.nan)],
        "array": np.arange(3),
        "z": gd.tensor(np.array([1 + 2j])),
        "rng": np.random.default_rng(0).bit_generator.state,
    }
    path = tmp_path / "run.safetensors"
    gd.save(value, path)
    back = gd.load(path, device="cpu")
    assert same(back["model"]["w"].numpy(), w.numpy())
    assert back["model"]["tied"] is back["model"]["w"]
    assert back["optimizer"]["state"][0]["step"] == 7
    assert same(
        back["optimizer"]["state"][0]["exp_avg"].numpy(),
        value["optimizer"]["state"][0]["exp_avg"].numpy(),
    )
    assert back["loader"] == value["loader"]
    assert back["history"][0] == (0, 0.5)
    assert math.isnan(back["history"][1][1])
    assert isinstance(back["array"], np.ndarray)
    assert same(back["z"].numpy(), np.array([1 + 2j]))
    assert back["rng"] == value["rng"]
    assert "model.w" in gd.io.load_safetensors(path)


@pytest.mark.parametrize("value", [None, 3, [], {}, "text", [1.5, {"a": ()}]])
def test_values_without_tensors(tmp_path: Path, value: Any) -> None:
    gd.save(value, tmp_path / "v")
    assert gd.load(tmp_path / "v") == value


def test_float8_is_for_arrays(tmp_path: Path) -> None:
    path = tmp_path / "f8"
    gd.io.save_safetensors({"x": sample((3,), ml_dtypes.float8_e5m2)}, path)
    with pytest.raises(CheckpointError, match="load_safetensors"):
        gd.load(path)


def test_wrong_calls(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cases: list[Any] = [
        lambda: gd.load(tmp_path / "none"),
        lambda: gd.load(tmp_path),
        lambda: gd.load(tmp_path / "a\0b"),
        lambda: gd.load(None),
        lambda: gd.load(7),
        lambda: gd.save({}, 7),
        lambda: gd.save({}, tmp_path / "no" / "folder"),
        lambda: gd.save({}, tmp_path),
        lambda: gd.save({}, tmp_path / "file" / "x"),
        lambda: gd.save({}, tmp_path / "a\0b"),
        lambda: gd.save({}, tmp_path / ("x" * 300)),
        lambda: gd.save({"\ud800": gd.tensor([1.0])}, tmp_path / "x"),
        lambda: gd.save({"a": object()}, tmp_path / "x"),
        lambda: gd.io.save_safetensors({"a": np.array(["x"])}, tmp_path / "x"),
        lambda: gd.io.save_safetensors({"a": np.ones(1, np.longdouble)}, tmp_path / "x"),
        lambda: gd.io.save_safetensors({"a": [1]}, tmp_path / "x"),  # type: ignore[dict-item]
        lambda: gd.io.save_safetensors({"__metadata__": np.ones(1)}, tmp_path / "x"),
        lambda: gd.io.save_safetensors({}, tmp_path / "x", metadata={"a": 1}),  # type: ignore[dict-item]
    ]
    for case in cases:
        with pytest.raises(GpudlError):
            case()
    assert [p.name for p in tmp_path.iterdir()] == ["file"], "nothing is left behind"


# ----- other programs -----


@pytest.mark.peers
def test_files_of_and_for_safetensors(tmp_path: Path) -> None:
    peer = pytest.importorskip("safetensors.numpy", reason="needs the package safetensors")
    peer_types = [d for d in DTYPES if np.dtype(d).kind != "V" and d is not np.complex64]
    peer_types = [d for d in peer_types if d.__module__ == "numpy"]
    arrays = {f"{d.__name__} {s}": sample(s, d) for d in peer_types for s in SHAPES}
    peer.save_file(arrays, tmp_path / "theirs", metadata={"format": "np"})
    ours = gd.io.load_safetensors(tmp_path / "theirs")
    gd.io.save_safetensors(arrays | {"t": arrays["float32 (5, 4, 3)"].T}, tmp_path / "ours")
    theirs = peer.load_file(tmp_path / "ours")
    for name, x in arrays.items():
        assert same(ours[name], x)
        assert same(theirs[name], x)
    assert same(theirs["t"], arrays["float32 (5, 4, 3)"].T)
    loaded = gd.load(tmp_path / "theirs")
    assert set(loaded) == set(arrays)


@pytest.mark.peers
def test_files_of_and_for_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch==2.13.0")
    peer = pytest.importorskip("safetensors.torch", reason="needs the package safetensors")
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 2), torch.nn.BatchNorm2d(4)).to(torch.bfloat16)
    state = {name: value.contiguous() for name, value in net.state_dict().items()}
    peer.save_file(state, tmp_path / "theirs")
    loaded = gd.load(tmp_path / "theirs")
    assert set(loaded) == set(state)
    gd.save(loaded, tmp_path / "ours")
    back = peer.load_file(tmp_path / "ours")
    for name, value in state.items():
        assert back[name].dtype == value.dtype
        assert torch.equal(back[name], value)


# ----- hostile files -----


def file_of(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(dtype: Any = "F32", shape: Any = (2,), start: Any = 0, stop: Any = 8) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


HOSTILE = {
    "empty": b"",
    "short": b"\x01\0\0",
    "no header": struct.pack("<Q", 0),
    "huge header": struct.pack("<Q", 2**63) + b"{}",
    "header over the limit": struct.pack("<Q", MAX_HEADER + 1) + b"{}",
    "truncated header": file_of({}, length=100),
    "array": file_of(b"[]"),
    "space first": file_of(b" {}"),
    "not utf-8": file_of(b'{"\xff": 1}'),
    "surrogate": file_of(
        b'{"\\ud800": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"x" * 8
    ),
    "duplicate": file_of(
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
        b'"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x",
    ),
    "duplicate key in an entry": file_of(
        b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', b"x"
    ),
    "nan": file_of(b'{"a": NaN}'),
    "deep": file_of(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "huge integer": file_of(
        b'{"a":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,1]}}'
    ),
    "no entry": file_of({"a": 1}),
    "null entry": file_of({"a": None}),
    "no shape": file_of({"a": {"dtype": "F32", "data_offsets": [0, 0]}}),
    "three offsets": file_of({"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0, 0]}}),
    "unknown dtype": file_of({"a": entry("F128")}, b"x" * 8),
    "dtype list": file_of({"a": entry(["F32"])}, b"x" * 8),
    "shape string": file_of({"a": entry(shape="2")}, b"x" * 8),
    "float extent": file_of({"a": entry(shape=[2.0])}, b"x" * 8),
    "bool extent": file_of({"a": entry(shape=[True, 2])}, b"x" * 8),
    "negative extent": file_of({"a": entry(shape=[-2])}, b"x" * 8),
    "two negatives": file_of({"a": entry(shape=[-1, -2])}, b"x" * 8),
    "overflow": file_of({"a": entry(shape=[2**32, 2**32, 2**32], stop=0)}),
    "overflow of 64 bits": file_of({"a": entry(shape=[2**62, 4], stop=0)}),
    "empty with a huge axis": file_of({"a": entry(shape=[0, 2**62, 8], stop=0)}),
    "many axes": file_of({"a": entry(shape=[1] * 65, stop=4)}, b"x" * 4),
    "wrong size": file_of({"a": entry(stop=12)}, b"x" * 12),
    "beyond the file": file_of({"a": entry(shape=[200], stop=800)}, b"x" * 8),
    "negative offset": file_of({"a": entry(start=-8, stop=0)}, b"x" * 8),
    "reversed offsets": file_of({"a": entry(start=8, stop=0)}, b"x" * 8),
    "float offset": file_of({"a": entry(start=0.0)}, b"x" * 8),
    "hole": file_of({"a": entry(), "b": entry(start=12, stop=20)}, b"x" * 20),
    "hole at the start": file_of({"a": entry(start=4, stop=12)}, b"x" * 12),
    "overlap": file_of({"a": entry(), "b": entry(start=4, stop=12)}, b"x" * 12),
    "same place": file_of({"a": entry(), "b": entry()}, b"x" * 8),
    "more at the end": file_of({"a": entry()}, b"x" * 9),
    "metadata list": file_of({"__metadata__": []}),
    "metadata number": file_of({"__metadata__": {"a": 1}}),
    "metadata of gpudl": file_of({"__metadata__": {"gpudl": "{"}}),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(CheckpointError):
        gd.load(path)
    if name != "metadata of gpudl":
        with pytest.raises(CheckpointError):
            gd.io.load_safetensors(path, mmap=True)


def test_unusual_files_that_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(file_of(b"{}   "))
    assert gd.load(path) == {}
    path.write_bytes(
        file_of(
            {"b": entry(start=8, stop=16), "e": entry(shape=[0], start=8, stop=8), "a": entry()},
            bytes(16),
        )
    )
    assert {k: v.shape for k, v in gd.load(path).items()} == {"b": (2,), "e": (0,), "a": (2,)}


@pytest.mark.parametrize("part", range(4))
def test_mutated_files(tmp_path: Path, part: int) -> None:
    """500 files a part: bytes flipped, cut out, doubled, inserted, numbers changed."""
    path = tmp_path / "x"
    gd.save(
        {"m": {"w": gd.tensor(sample((5, 4), np.float32)), "b": gd.tensor(sample((7,), np.int8))},
         "step": 3, "t": (1, [None, "x"]), "z": np.ones(2, np.complex128)},
        path,
    )  # fmt: skip
    good = path.read_bytes()
    rng = np.random.default_rng(part)
    loaded = refused = 0
    for _ in range(500):
        data = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, len(data) + 1))
            kind = rng.integers(0, 6)
            if kind == 0 and at < len(data):
                data[at] ^= 1 << int(rng.integers(0, 8))
            elif kind == 1:
                del data[at : at + int(rng.integers(1, 40))]
            elif kind == 2:
                data[at:at] = data[at : at + int(rng.integers(1, 40))]
            elif kind == 3:
                data[at:at] = rng.bytes(int(rng.integers(1, 9)))
            elif kind == 4:
                digits = [i for i, c in enumerate(data[8:400], 8) if chr(c).isdigit()]
                if digits:
                    data[digits[int(rng.integers(len(digits)))]] = int(rng.integers(48, 58))
            elif kind == 5 and len(data) >= 8:
                data[:8] = struct.pack("<Q", int(rng.integers(0, 2 * len(good))))
            if not data:
                break
        path.write_bytes(bytes(data))
        try:
            gd.load(path)
            loaded += 1
        except CheckpointError:
            refused += 1
    assert loaded + refused == 500
    assert refused > 200


def test_memory_is_bounded_by_the_file(tmp_path: Path) -> None:
    """A header that claims 2**40 bytes costs nothing."""
    path = tmp_path / "x"
    path.write_bytes(file_of({"a": entry("U8", [2**40], 0, 2**40)}, b"x" * 8))
    start = time.monotonic()
    with pytest.raises(CheckpointError, match="end at byte"):
        gd.load(path)
    assert time.monotonic() - start < 1


# ----- atomic writes -----


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    gd.save({"step": 1}, path)
    with pytest.raises(CheckpointError):
        gd.save({"step": 2, "bad": object()}, path)

    class Exploding:
        dtype, shape, nbytes = np.dtype(np.float32), (2,), 8

    with pytest.raises(CheckpointError):
        gd.io.save_safetensors({"a": np.ones(2), "b": Exploding()}, path)  # type: ignore[dict-item]
    assert gd.load(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    path = tmp_path / "x"
    gd.save({"step": 1}, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(CheckpointError, match="cannot write"):
            gd.save({"w": gd.tensor(np.ones(100_000))}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert gd.load(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_modes_and_links_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    gd.save(1, real)
    real.chmod(0o640)
    link.symlink_to(real)
    gd.save(2, link)
    assert link.is_symlink()
    assert gd.load(real) == 2
    assert real.stat().st_mode & 0o777 == 0o640


WRITER = """
import os, signal, sys, time
import numpy as np
import gpudl as gd

# Forks itself for each writer, so that the import is paid once.
path, kills = sys.argv[1], int(sys.argv[2])
waits = np.random.default_rng(0).uniform(0.0, 0.05, kills)
saved, lost, wrong, stale = 0, 0, 0, 0
for wait in waits:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        step = saved
        while True:
            step += 1
            state = {"step": step, "w": gd.tensor(np.full(100_000, step, np.float32))}
            gd.save(state, path)
            os.write(theirs, step.to_bytes(8, "little"))
    os.close(theirs)
    os.read(ours, 8)  # it is at work
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    acknowledged = saved
    while data := os.read(ours, 8):
        acknowledged = int.from_bytes(data, "little")
    os.close(ours)
    state = gd.load(path)
    saved = state["step"]
    lost += saved < acknowledged
    wrong += not bool(np.all(state["w"].numpy() == saved))
    stale += len(os.listdir(os.path.dirname(path))) - 1
gd.save({"step": saved}, path)
print(lost, wrong, len(os.listdir(os.path.dirname(path))), stale)
"""


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.full)])
def test_killed_writers_lose_nothing(tmp_path: Path, kills: int) -> None:
    script = tmp_path / "writer.py"
    script.write_text(textwrap.dedent(WRITER))
    folder = tmp_path / "out"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, str(script), str(folder / "x"), str(kills)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    lost, wrong, left, stale = map(int, done.stdout.split())
    assert (lost, wrong) == (0, 0)
    assert left == 1, "the next save removes what killed writers left"
    assert stale > 0, "some writers were killed in the middle of a save"
