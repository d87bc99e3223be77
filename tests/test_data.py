"""Data sets, samplers, collation, seeds, transforms, and the data that can be loaded by name."""

from __future__ import annotations

import collections
import gzip
import hashlib
import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import gpudl as gd
from gpudl import data
from gpudl.data import _files, _seed, transforms
from gpudl.data._download import fetch
from gpudl.data._idx import read_idx
from gpudl.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    DTypeError,
    GpudlError,
    IndexRangeError,
    ShapeError,
)
from gpudl.settings import settings

# ----- data sets -----


def test_tensor_dataset() -> None:
    x, y = gd.tensor(np.arange(12.0).reshape(4, 3)), np.arange(4)
    dataset = data.TensorDataset(x, y)
    assert len(dataset) == 4
    assert dataset[-1][0].numpy().tolist() == [9.0, 10.0, 11.0]
    assert [int(b) for _, b in dataset] == [0, 1, 2, 3]
    for bad in (4, -5):
        with pytest.raises(IndexRangeError):
            dataset[bad]
    with pytest.raises(ArgumentTypeError):
        dataset["a"]
    with pytest.raises(IndexRangeError, match="index 9"):
        dataset.take([0, 9])
    for wrong in ((), (np.zeros(3), np.zeros(4)), (np.float64(1.0),), ([1, 2],)):
        with pytest.raises(GpudlError):
            data.TensorDataset(*wrong)


def test_subsets_and_concatenations() -> None:
    subset: data.Subset[str] = data.Subset("abcdef", [5, 0, 3])
    assert [subset[i] for i in range(3)] == ["f", "a", "d"]
    joined = data.ConcatDataset(["abc", "", "de"])
    assert "".join(joined[i] for i in range(len(joined))) == "abcde"
    assert joined[-1] == "e"
    both = subset + subset
    assert "".join(both[i] for i in range(6)) == "fadfad"
    for dataset in (subset, joined):
        with pytest.raises(IndexRangeError):
            dataset[len(dataset)]
    with pytest.raises(ArgumentError):
        data.ConcatDataset([])


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([10, 27], [10, 27]),
        ([0, 37], [0, 37]),
        ([0.5, 0.5], [19, 18]),
        ([0.1, 0.2, 0.7], [4, 8, 25]),
        ([1.0], [37]),
    ],
)
def test_random_split(lengths: Any, sizes: list[int]) -> None:
    parts = data.random_split(range(37), lengths, seed=4)
    assert [len(part) for part in parts] == sizes
    assert sorted(i for part in parts for i in part) == list(range(37))
    again = data.random_split(range(37), lengths, seed=4)
    assert [list(p) for p in again] == [list(p) for p in parts]
    other = data.random_split(range(37), lengths, seed=5)
    assert [list(p) for p in other] != [list(p) for p in parts]


@pytest.mark.parametrize("lengths", [[10, 26], [-1, 38], [0.5, 0.6], [float("nan"), 1.0], []])
def test_splits_that_do_not_add_up(lengths: Any) -> None:
    with pytest.raises(ArgumentError):
        data.random_split(range(37), lengths)


# ----- seeds -----


def test_seeds_are_what_they_are() -> None:
    """Known answers: a new version must not shuffle differently."""
    assert _seed.mix(0) == 16294208416658607535  # the first output of splitmix64 from 0
    assert _seed.permutation(8, 1, 2).tolist() == [3, 4, 2, 6, 7, 0, 1, 5]
    assert _seed.uniforms(2, 3).tolist() == [0.8388876701467043, 0.7375181681915192]
    _seed.enter(1, 2, 3)
    assert data.sample_seed() == _seed.mix(1, 2, 3)
    a = data.sample_rng().random(2).tolist()
    _seed.enter(1, 2, 3)
    assert data.sample_rng().random(2).tolist() == a
    _seed.leave()
    assert data.sample_seed() == 0


def test_permutations_are_uniform() -> None:
    counts = collections.Counter(tuple(_seed.permutation(3, seed).tolist()) for seed in range(6000))
    assert len(counts) == 6
    assert (
        sum((c - 1000) ** 2 / 1000 for c in counts.values()) < 20.5
    )  # chi-square, 5 degrees, 0.1 %


def test_words_do_not_repeat() -> None:
    assert len(np.unique(_seed.words(100_003, 9))) == 100_003
    assert len({_seed.mix(a, b) for a in range(100) for b in range(100)}) == 10_000
    assert _seed.index_word("a") != _seed.index_word("b")
    assert _seed.index_word(np.int64(7)) == 7


# ----- samplers -----


def test_random_sampler() -> None:
    sampler = data.RandomSampler(range(37), seed=1)
    first = list(sampler)
    assert sorted(first) == list(range(37))
    assert list(sampler) == first, "an order belongs to (seed, epoch)"
    sampler.set_epoch(1)
    assert list(sampler) != first
    twice = list(data.RandomSampler(range(5), num_samples=13, seed=1))
    assert len(twice) == 13
    assert sorted(twice[:5]) == sorted(twice[5:10]) == list(range(5))
    drawn = list(data.RandomSampler(range(10), True, 5000, seed=2))
    counts = np.bincount(drawn, minlength=10)
    assert ((counts - 500) ** 2 / 500).sum() < 27.9  # chi-square, 9 degrees, 0.1 %
    assert list(data.RandomSampler([], seed=0)) == []


@pytest.mark.parametrize("replacement", [True, False])
def test_weighted_sampler(replacement: bool) -> None:
    w = np.array([0.0, 1.0, 2.0, 0.0, 5.0, 0.0])
    firsts = []
    for seed in range(4000):
        drawn = list(data.WeightedRandomSampler(w, 3, replacement, seed=seed))
        assert len(drawn) == 3
        assert replacement or len(set(drawn)) == 3
        firsts.append(drawn[0])
    counts = np.bincount(firsts, minlength=6)
    assert counts[w == 0].sum() == 0
    expected = 4000 * w[w > 0] / w.sum()
    assert ((counts[w > 0] - expected) ** 2 / expected).sum() < 13.9  # 2 degrees, 0.1 %


def test_batch_sampler() -> None:
    for n, size in ((0, 3), (1, 3), (7, 3), (9, 3)):
        for drop in (False, True):
            sampler = data.BatchSampler(range(n), size, drop)
            got = list(sampler)
            assert len(got) == len(sampler)
            assert [i for b in got for i in b] == list(range(n - n % size if drop else n))


@pytest.mark.parametrize(
    "make",
    [
        lambda: data.RandomSampler("ab", num_samples=0),
        lambda: data.RandomSampler("ab", seed=-1),
        lambda: data.RandomSampler("ab", seed=1.5),  # type: ignore[arg-type]
        lambda: data.BatchSampler("ab", 0),
        lambda: data.BatchSampler("ab", 1.5),  # type: ignore[arg-type]
        lambda: data.WeightedRandomSampler([1.0, -1.0], 1),
        lambda: data.WeightedRandomSampler([np.nan], 1),
        lambda: data.WeightedRandomSampler([0.0], 1),
        lambda: data.WeightedRandomSampler([[1.0]], 1),  # type: ignore[list-item]
        lambda: data.WeightedRandomSampler(["x"], 1),  # type: ignore[list-item]
        lambda: data.WeightedRandomSampler([1.0], 2, replacement=False),
        lambda: data.WeightedRandomSampler([1.0], 0),
    ],
)
def test_samplers_that_cannot_be(make: Any) -> None:
    with pytest.raises(GpudlError):
        make()


# ----- collation -----


class Pair(NamedTuple):
    """A named tuple."""

    image: Any
    label: Any


def test_collation() -> None:
    samples = [
        {
            "pair": Pair(np.full((2, 3), i, np.float16), i),
            "tensor": gd.tensor([float(i)]),
            "numbers": [i > 0, i, i / 2, i * 1j],
            "scalar": np.float64(i),
            "text": f"t{i}",
            "bytes": b"x",
            "empty": (),
        }
        for i in range(3)
    ]
    batch = data.default_collate(samples)
    assert isinstance(batch["pair"], Pair)
    assert batch["pair"].image.shape == (3, 2, 3)
    assert batch["pair"].image.dtype == np.float16
    assert batch["pair"].label.numpy().tolist() == [0, 1, 2]
    assert batch["tensor"].numpy().tolist() == [[0.0], [1.0], [2.0]]
    assert [part.dtype.name for part in batch["numbers"]] == [
        "bool",
        "int64",
        "float32",
        "complex64",
    ]
    assert batch["scalar"].dtype == np.float64
    assert batch["text"] == ["t0", "t1", "t2"]
    assert batch["bytes"] == [b"x"] * 3
    assert batch["empty"] == ()
    mixed = data.default_collate([1, 2.5, True])
    assert (mixed.dtype.name, mixed.numpy().tolist()) == ("float32", [1.0, 2.5, 1.0])


@pytest.mark.parametrize(
    ("samples", "error"),
    [
        ([], ArgumentError),
        ([np.zeros(2), np.zeros(3)], ShapeError),
        ([np.zeros(2), np.zeros(2, np.float32)], ShapeError),
        ([(1, 2), (1, 2, 3)], ShapeError),
        ([{"a": 1}, {"b": 1}], ShapeError),
        ([1, "a"], ArgumentTypeError),
        ([1, None], ArgumentTypeError),
        ([None, None], ArgumentTypeError),
        ([object()], ArgumentTypeError),
        ([np.array(["x"])], DTypeError),
        ([np.array([None])], DTypeError),
        ([2**70], DTypeError),
    ],
)
def test_collation_that_cannot_be(samples: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        data.default_collate(samples)


# ----- digits -----


def test_the_digits_are_those_of_the_repository() -> None:
    for name, digest in (
        ("images-idx3", "359cd13f0f514122884198b78a131df597421cbf5e93a76678fa96fc548f0d96"),
        ("labels-idx1", "ce71631c1f31ce56fa54f31d1d498fafacff59b001e6c30c4a5e29508aa277ad"),
    ):
        content = gzip.decompress((_files.FILES / f"digits-{name}-ubyte.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest
    assert sum(path.stat().st_size for path in _files.FILES.iterdir()) < 100_000


def test_load_digits() -> None:
    images, labels = data.load_digits()
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    assert (images.numpy().min(), images.numpy().max()) == (0.0, 1.0)
    counts = np.bincount(labels.numpy())
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    x, y = data.load_digits("train")
    xt, yt = data.load_digits("test")
    assert len(y.numpy()) + len(yt.numpy()) == 1797
    assert np.abs(np.bincount(yt.numpy()) - counts * 0.2).max() <= 0.5, "stratified"
    rows = [a.numpy().tobytes() for part in (x, xt) for a in part]
    assert sorted(rows) == sorted(a.numpy().tobytes() for a in images), "a partition"
    assert same_bits(data.load_digits("test")[0], xt)
    assert not same_bits(data.load_digits("test", seed=1)[0], xt)
    for wrong in ({"split": "val"}, {"test_fraction": 0.0}, {"test_fraction": 1.0}, {"seed": -1}):
        with pytest.raises(ArgumentError):
            data.load_digits(**wrong)  # type: ignore[arg-type]


def same_bits(a: Any, b: Any) -> bool:
    return a.shape == b.shape and bool((a.numpy() == b.numpy()).all())


@pytest.mark.peers
def test_digits_equal_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    theirs = sklearn.load_digits()
    images, labels = data.load_digits()
    assert np.array_equal(images.numpy()[:, 0] * 16, theirs.images)
    assert np.array_equal(labels.numpy(), theirs.target)


# ----- idx files -----


def idx(array: Any, code: int = 0x08) -> bytes:
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")],
)
def test_idx_files(tmp_path: Path, code: int, dtype: str) -> None:
    x = np.arange(-5, 37).astype(dtype).reshape(2, 3, 7)
    (tmp_path / "x").write_bytes(idx(x, code))
    (tmp_path / "x.gz").write_bytes(gzip.compress(idx(x, code)))
    for name in ("x", "x.gz"):
        back = read_idx(tmp_path / name)
        assert back.dtype == np.dtype(dtype)
        assert np.array_equal(back, x)


GOOD = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        GOOD[:3],
        GOOD[:7],
        GOOD[:-1],
        GOOD + b"x",
        b"\1" + GOOD[1:],
        b"\0\0\x07" + GOOD[3:],
        b"\0\0\x08\0",
        b"\0\0\x08\xff" + b"\0" * 1020,
        b"\0\0\x08\x02" + struct.pack(">2I", 2**31, 2**31),
        b"\0\0\x0e\x08" + struct.pack(">8I", *[2**32 - 1] * 8),
        b"\0\0\x08\x02" + struct.pack(">2I", 0, 3),
        b"\0\0\x08\x01" + struct.pack(">I", 2**32 - 1),
    ],
)
def test_idx_files_that_are_damaged(tmp_path: Path, content: bytes) -> None:
    for name, wrapped in (("x", content), ("x.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(wrapped)
        with pytest.raises(DataError, match=r"x"):
            read_idx(tmp_path / name)


def test_gzip_files_that_are_damaged(tmp_path: Path) -> None:
    good = gzip.compress(GOOD)
    path = tmp_path / "x.gz"
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        content = bytearray(good)
        at = int(rng.integers(len(content)))
        if rng.random() < 0.5:
            content[at] ^= 1 << int(rng.integers(8))
        else:
            del content[at:]
        path.write_bytes(bytes(content))
        try:
            assert np.array_equal(read_idx(path), np.arange(6).reshape(2, 3))
        except DataError:
            refused += 1
    assert refused > 150
    with pytest.raises(DataError, match="cannot read"):
        read_idx(tmp_path / "none.gz")


# ----- MNIST and text -----


def write_mnist(folder: Path, dots: bool = False, zipped: bool = True) -> Any:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (5, 28, 28)).astype(np.uint8)
    y = rng.integers(0, 10, 5).astype(np.uint8)
    for prefix in ("train", "t10k"):
        for kind, array in (("images-idx3", x), ("labels-idx1", y)):
            name = f"{prefix}-{kind}-ubyte".replace("-idx", ".idx" if dots else "-idx")
            content = idx(array)
            if zipped:
                name, content = f"{name}.gz", gzip.compress(content)
            (folder / name).write_bytes(content)
    return x, y


@pytest.mark.parametrize("dots", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_from_a_folder(tmp_path: Path, dots: bool, zipped: bool) -> None:
    x, y = write_mnist(tmp_path / "mnist", dots, zipped)
    with gd.config(data_dir=tmp_path):
        places = [data.load_mnist("test")]
    places += [data.load_mnist("train", tmp_path), data.load_mnist("train", tmp_path / "mnist")]
    for images, labels in places:
        assert images.shape == (5, 1, 28, 28)
        assert images.dtype == np.float32
        assert np.array_equal(images.numpy()[:, 0], x.astype(np.float32) / np.float32(255))
        assert np.array_equal(labels.numpy(), y)
        assert labels.dtype == np.int64
    with pytest.raises(ArgumentError):
        data.load_mnist("validation", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="there is no"):
        data.load_mnist("train", tmp_path / "elsewhere")


def test_mnist_files_that_do_not_fit(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist")
    labels = tmp_path / "mnist" / "train-labels-idx1-ubyte.gz"
    for wrong in (np.zeros(4, np.uint8), np.full(5, 10, np.uint8), np.zeros((5, 1), np.uint8)):
        labels.write_bytes(gzip.compress(idx(wrong)))
        with pytest.raises(DataError):
            data.load_mnist("train", tmp_path)


@pytest.mark.skipif(
    not (Path(settings.data_dir) / "mnist").is_dir() or not settings.data_dir,
    reason="needs the MNIST files in the folder GPUDL_DATA",
)
def test_the_real_mnist() -> None:
    for name, digest in _files._MNIST_SHA256.items():
        path = Path(settings.data_dir) / "mnist" / f"{name}.gz"
        assert _files._unwrapped_sha256("test", path, _files._MNIST_MAX_BYTES) == digest
    images, labels = data.load_mnist("test")
    assert images.shape == (10_000, 1, 28, 28)
    assert np.bincount(labels.numpy()).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert abs(float(images.numpy().mean(dtype=np.float64)) - 0.1325) < 1e-4


@pytest.mark.skipif(
    not (Path(settings.data_dir) / "tinyshakespeare").is_dir() or not settings.data_dir,
    reason="needs tiny Shakespeare in the folder GPUDL_DATA",
)
def test_the_real_text() -> None:
    text = data.load_text()
    assert hashlib.sha256(text.encode()).hexdigest() == _files._SHAKESPEARE_SHA256
    assert len(text) == 1_115_394
    assert text.startswith("First Citizen:")


class Server:
    """A web server on this machine that serves what it is given."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.claims: dict[str, int] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                length = outer.claims.get(self.path, len(content))
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()


TEXT = b"To be, or not to be"


@pytest.fixture
def text_source(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(_files, "_SHAKESPEARE_URLS", (server.url + "a", server.url + "b"))
    monkeypatch.setattr(_files, "_SHAKESPEARE_SHA256", hashlib.sha256(TEXT).hexdigest())
    monkeypatch.setattr(_files, "_SHAKESPEARE_MAX_BYTES", len(TEXT))
    return server


def test_download(tmp_path: Path, text_source: Server, capsys: pytest.CaptureFixture[str]) -> None:
    text_source.files["/b"] = TEXT
    with gd.config(cache_dir=tmp_path, data_dir=""):
        assert data.load_text() == TEXT.decode()
        assert text_source.asked == ["/a", "/b"], "the second place is tried after the first"
        assert "input.txt" in capsys.readouterr().err
        assert data.load_text() == TEXT.decode()
        assert len(text_source.asked) == 2, "the cache serves the second call"
        cached = tmp_path / "data" / "tinyshakespeare" / "input.txt"
        cached.write_bytes(b"damaged")
        assert data.load_text() == TEXT.decode(), "a damaged copy is replaced"
    assert sorted(p.name for p in cached.parent.iterdir()) == [".input.txt.lock", "input.txt"]


@pytest.mark.parametrize("case", ["missing", "other", "long", "short", "unreachable"])
def test_downloads_that_fail(
    tmp_path: Path, text_source: Server, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case == "other":
        text_source.files["/a"] = TEXT[::-1]
    if case == "long":
        text_source.files["/a"] = TEXT * 100_000
    if case == "short":
        text_source.files["/a"], text_source.claims["/a"] = TEXT[:5], len(TEXT)
    if case == "unreachable":
        monkeypatch.setattr(_files, "_SHAKESPEARE_URLS", ("http://127.0.0.1:1/a",))
    with (
        gd.config(cache_dir=tmp_path, data_dir=""),
        pytest.raises(DataError, match="GPUDL_DATA") as caught,
    ):
        data.load_text()
    assert "http://127.0.0.1" in str(caught.value)
    left = [p.name for p in (tmp_path / "data" / "tinyshakespeare").iterdir()]
    assert left == [".input.txt.lock"]


def test_many_downloads_at_once(tmp_path: Path, text_source: Server) -> None:
    text_source.files["/a"] = TEXT
    target, found = tmp_path / "t" / "input.txt", []

    def check(path: Path) -> None:
        if path.read_bytes() != TEXT:
            raise DataError("test", "not the text")

    def load() -> None:
        found.append(fetch("test", [text_source.url + "a"], target, check, 100).read_bytes())

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [TEXT] * 6
    assert text_source.asked == ["/a"]


def test_a_cache_that_cannot_be_written(tmp_path: Path, text_source: Server) -> None:
    (tmp_path / "file").write_text("")
    with (
        gd.config(cache_dir=tmp_path / "file", data_dir=""),
        pytest.raises(DataError, match="cannot write"),
    ):
        data.load_text()


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes(5_000_000)))
    with pytest.raises(DataError, match="unpacks to more"):
        _files._check("test", "0" * 64, 1_000_000, path)


# ----- transforms -----


def image(c: int = 2, h: int = 7, w: int = 5) -> Any:
    return np.random.default_rng(0).random((c, h, w), dtype=np.float32)


def test_normalize() -> None:
    x = image()
    y = transforms.Normalize([0.5, 0.25], [2.0, 4.0])(x)
    expected = (x.astype(np.float64) - [[[0.5]], [[0.25]]]) / [[[2.0]], [[4.0]]]
    assert y.dtype == np.float32
    assert np.abs(y - expected).max() < 1e-7
    both = transforms.Compose([transforms.Normalize(1, 2), lambda v: v + 1])(gd.tensor(x))
    assert np.allclose(both, (x - 1) / 2 + 1)


def test_flip_and_crop() -> None:
    x = image()
    flips = crops = 0
    for seed in range(200):
        _seed.enter(seed)
        y = transforms.RandomHorizontalFlip(0.25)(x)
        assert np.array_equal(y, x) or np.array_equal(y, x[:, :, ::-1])
        flips += not np.array_equal(y, x)
        _seed.enter(seed)
        y = transforms.RandomCrop((4, 5), padding=1)(x)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        windows = [
            (i, j) for i in range(6) for j in range(3)
            if np.array_equal(padded[:, i : i + 4, j : j + 5], y)
        ]  # fmt: skip
        assert len(windows) == 1
        crops |= 1 << (windows[0][0] * 3 + windows[0][1])
    _seed.leave()
    assert 25 < flips < 80
    assert crops == 2**18 - 1, "every place occurs"


def test_affine_at_known_angles() -> None:
    x = image(1, 9, 9)
    assert np.array_equal(transforms.RandomAffine()(x), x)
    shifted = transforms.RandomAffine()
    turned = transforms._bilinear(x, *np.mgrid[0:9, 0:9].astype(np.float32)[[1, 0]])
    assert np.array_equal(turned, x.transpose(0, 2, 1))
    assert shifted(np.zeros((1, 1, 1), np.float32)).shape == (1, 1, 1)


@pytest.mark.peers
def test_affine_equals_scipys() -> None:
    ndimage = pytest.importorskip("scipy.ndimage", reason="needs SciPy")
    x = image(2, 12, 10)
    for seed in range(20):
        _seed.enter(seed)
        got = transforms.RandomAffine(40, (0.2, 0.1), (0.7, 1.4))(x)
        _seed.enter(seed)
        rng = data.sample_rng()
        angle = np.radians(rng.uniform(-40, 40))
        shift = np.array([rng.uniform(-0.2, 0.2) * 12, rng.uniform(-0.1, 0.1) * 10])
        factor = rng.uniform(0.7, 1.4)
        cos, sin = np.cos(angle) / factor, np.sin(angle) / factor
        matrix, centre = np.array([[cos, -sin], [sin, cos]]), np.array([5.5, 4.5])
        padded = np.pad(x.astype(np.float64), ((0, 0), (20, 20), (20, 20)))
        offset = centre - matrix @ (centre + shift + 20) + 20
        for c in range(2):
            whole = ndimage.affine_transform(padded[c], matrix, offset, order=1)
            # In the coordinates of the padded image the window begins at (20, 20).
            assert np.abs(got[c] - whole[20:32, 20:30]).max() < 1e-5
    _seed.leave()


@pytest.mark.parametrize(
    "make",
    [
        lambda: transforms.Normalize(0, 0),
        lambda: transforms.Normalize([0, 0, 0], 1)(image()),
        lambda: transforms.Normalize(0, 1)(np.zeros(3)),
        lambda: transforms.RandomHorizontalFlip(1.5),
        lambda: transforms.RandomHorizontalFlip(float("nan")),
        lambda: transforms.RandomCrop(0),
        lambda: transforms.RandomCrop(9)(image()),
        lambda: transforms.RandomCrop(3, -1),
        lambda: transforms.RandomAffine(-1),
        lambda: transforms.RandomAffine(scale=(0, 1)),
        lambda: transforms.RandomAffine(scale=(2, 1)),
    ],
)
def test_transforms_that_cannot_be(make: Any) -> None:
    with pytest.raises(GpudlError):
        make()


# ----- arguments of the wrong kind -----

WRONG: list[Any] = [
    None,
    5,
    -1,
    2**62,
    1.5,
    float("nan"),
    "x",
    b"x",
    object(),
    [],
    [[]],
    {},
    1j,
    True,
]


@pytest.mark.parametrize(
    "call",
    [
        data.TensorDataset,
        lambda v: data.Subset(v, []),
        lambda v: data.Subset("ab", v),
        data.ConcatDataset,
        lambda v: data.ConcatDataset([v]),
        lambda v: data.random_split(v, [1, 1]),
        lambda v: data.random_split("ab", v),
        lambda v: data.random_split("ab", [1, 1], v),
        lambda v: data.random_split("ab", [1, 1], seed=v),
        data.SequentialSampler,
        data.RandomSampler,
        lambda v: data.RandomSampler("ab", num_samples=v),
        lambda v: data.RandomSampler("ab", generator=v),
        lambda v: data.RandomSampler("ab", seed=v),
        lambda v: data.BatchSampler(v, 2),
        lambda v: data.BatchSampler("ab", v),
        lambda v: data.WeightedRandomSampler(v, 1),
        lambda v: data.WeightedRandomSampler([1.0, 2.0], v),
        data.default_collate,
        lambda v: data.default_collate([v]),
        data.DataLoader,
        lambda v: data.DataLoader("ab", v),
        lambda v: data.DataLoader("ab", sampler=v),
        lambda v: data.DataLoader("ab", batch_sampler=v),
        lambda v: data.DataLoader("ab", num_workers=v),
        lambda v: data.DataLoader("ab", collate_fn=v),
        lambda v: data.DataLoader("ab", timeout=v),
        lambda v: data.DataLoader("ab", worker_init_fn=v),
        lambda v: data.DataLoader("ab", generator=v),
        lambda v: data.DataLoader("ab", seed=v),
        lambda v: data.DataLoader("ab", prefetch_factor=v),
        lambda v: data.DataLoader("ab", worker=v),
        lambda v: data.DataLoader("ab").set_epoch(v),
        lambda v: data.DataLoader("ab").load_state_dict(v),
        data.load_digits,
        lambda v: data.load_digits(test_fraction=v),
        lambda v: data.load_digits(seed=v),
        data.load_mnist,
        lambda v: data.load_mnist("train", v or 5),
        lambda v: data.load_text("tinyshakespeare", v or 5),
        transforms.Compose,
        lambda v: transforms.Compose([v]),
        lambda v: transforms.Normalize(v, v),
        lambda v: transforms.Normalize(0, 1)(v),
        transforms.RandomCrop,
        lambda v: transforms.RandomCrop(2, v),
        lambda v: transforms.RandomCrop(2)(v),
        transforms.RandomHorizontalFlip,
        lambda v: transforms.RandomHorizontalFlip(1)(v),
        transforms.RandomAffine,
        lambda v: transforms.RandomAffine(0, v),
        lambda v: transforms.RandomAffine(0, (v, v)),
        lambda v: transforms.RandomAffine(0, scale=v),
        lambda v: transforms.RandomAffine(0)(v),
        gd.load,
        lambda v: gd.save({}, v if not isinstance(v, str) else 5),
        lambda v: gd.io.save_safetensors(v, "/nowhere/x"),
        lambda v: gd.io.save_safetensors({"a": v}, "/nowhere/x"),
        lambda v: gd.io.save_safetensors({}, "/nowhere/x", metadata=v),
        gd.io.load_safetensors,
        gd.io.read_metadata,
    ],
)
def test_arguments_of_the_wrong_kind(call: Any) -> None:
    refused = 0
    for value in WRONG:
        try:
            call(value)
        except GpudlError:
            refused += 1
    assert refused >= 2


def test_what_a_subclass_must_define_is_named():
    with pytest.raises(GpudlError, match="has no __getitem__") as raised:
        data.Dataset()[0]
    assert isinstance(raised.value, NotImplementedError)
    with pytest.raises(GpudlError, match="has no __iter__"):
        iter(data.IterableDataset())
