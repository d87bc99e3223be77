#!/bin/sh
# The public test suite of the array API standard over the namespace of gpudl.
#
#   array_api_tests.sh PYTHON SUITE [pytest options]
#
# SUITE is a checkout of github.com/data-apis/array-api-tests with its submodule. PYTHON has gpudl and the suite's
# requirements. EXAMPLES sets the number of examples a test (20 by default). What is skipped, and why, is in
# tests/array_api/skips.txt; an id there that matches no test fails the run.
set -eu

python=${1:?usage: array_api_tests.sh PYTHON SUITE [pytest options]}
suite=${2:?usage: array_api_tests.sh PYTHON SUITE [pytest options]}
shift 2
here=$(cd "$(dirname "$0")/.." && pwd)

if [ ! -d "$suite/array-api/src" ]; then
    echo "array_api_tests.sh: $suite has no array-api submodule: git submodule update --init" >&2
    exit 2
fi

cd "$suite"
export ARRAY_API_TESTS_MODULE=gpudl
"$python" -m pytest -q -p no:cacheprovider --collect-only array_api_tests > "${TMPDIR:-/tmp}/array_api_ids.$$" || true
trap 'rm -f "${TMPDIR:-/tmp}/array_api_ids.$$"' EXIT
grep -v -e '^#' -e '^$' "$here/tests/array_api/skips.txt" | while IFS= read -r id; do
    if ! grep -qxF -e "$id" "${TMPDIR:-/tmp}/array_api_ids.$$"; then
        echo "array_api_tests.sh: no test of the suite is called $id" >&2
        exit 1
    fi
done
"$python" -m pytest -q -p no:cacheprovider \
    --max-examples "${EXAMPLES:-20}" --disable-deadline --derandomize \
    --skips-file="$here/tests/array_api/skips.txt" "$@" array_api_tests
