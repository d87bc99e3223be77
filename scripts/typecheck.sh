#!/bin/sh
# mypy on the package as it is installed, and on bench/: a folder of links puts kernels/ where gpudl.kernels is imported from.
# Its cache is its own: other runs of mypy see another gpudl.kernels.
set -e
root=$(cd "$(dirname "$0")/.." && pwd)
view=$root/build/typecheck
rm -rf "$view"
mkdir -p "$view/gpudl"
for entry in "$root"/gpudl/*; do
    ln -s "$entry" "$view/gpudl/"
done
ln -s "$root/kernels" "$view/gpudl/kernels"
ln -s "$root/bench" "$view/bench"
cd "$view"
exec mypy --config-file "$root/pyproject.toml" --cache-dir "$root/build/mypy" -p gpudl -p bench
