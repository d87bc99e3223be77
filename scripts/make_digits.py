"""Make the data files of the 1,797 handwritten digits that gpudl ships, from the UCI repository's
`optdigits.tes`.

    python scripts/make_digits.py optdigits.tes

`optdigits.tes` is the test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin and
C. Kaynak (1998), https://doi.org/10.24432/C50P49, licensed CC BY 4.0: a line for a digit, 64 pixels
from 0 to 16 and the label. The pixels and labels are kept as they are; only the format changes. The
script says whether the result is the one that `tests/test_data.py` expects.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np

FILES = Path(__file__).parent.parent / "gpudl" / "data" / "files"
# Of the idx files inside the gzip wrappings.
SHA256 = {
    "digits-images-idx3-ubyte": "359cd13f0f514122884198b78a131df597421cbf5e93a76678fa96fc548f0d96",
    "digits-labels-idx1-ubyte": "ce71631c1f31ce56fa54f31d1d498fafacff59b001e6c30c4a5e29508aa277ad",
}


def write_idx(name: str, array: np.ndarray) -> None:
    """Write a uint8 array as a gzipped idx file whose bytes depend on nothing but the array."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 0x08, array.ndim, *array.shape)
    content = head + array.astype(np.uint8).tobytes()
    digest = hashlib.sha256(content).hexdigest()
    path = FILES / f"{name}.gz"
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
    print(f"{path.name}: {path.stat().st_size} bytes, idx sha256 {digest}")
    if digest != SHA256[name]:
        sys.exit(f"{name}: expected sha256 {SHA256[name]}")


def main(source: str) -> None:
    """Convert the file `source`."""
    table = np.loadtxt(source, delimiter=",", dtype=np.int64)
    if table.shape != (1797, 65) or table[:, :64].max() != 16 or table.min() != 0:
        sys.exit(f"{source} is not optdigits.tes: {table.shape}")
    FILES.mkdir(exist_ok=True)
    write_idx("digits-images-idx3-ubyte", table[:, :64].reshape(-1, 8, 8))
    write_idx("digits-labels-idx1-ubyte", table[:, 64])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
