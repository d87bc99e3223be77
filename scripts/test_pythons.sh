#!/bin/sh
# Runs the fast tests on every Python from 3.11 up that this machine has, each in an environment under .venvs/.
# PYTHONS="python3.12 /opt/python3.13/bin/python" gives the interpreters, arguments go to pytest.
set -e
cd "$(dirname "$0")/.."
if [ -z "$PYTHONS" ]; then
    for name in python3.11 python3.12 python3.13 python3.14; do
        if command -v "$name" >/dev/null 2>&1 && "$name" -c '' >/dev/null 2>&1; then
            PYTHONS="$PYTHONS $name"
        fi
    done
fi
summary=""
status=0
for python in $PYTHONS; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    venv=.venvs/$version
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    sh scripts/install.sh "$venv/bin/python" test,train
    if "$venv/bin/python" -m pytest -q -n 2 "$@"; then
        summary="$summary
python $version: passed"
    else
        summary="$summary
python $version: FAILED"
        status=1
    fi
done
echo "$summary"
exit $status
