#!/bin/sh
# Installs the checkout in editable form. Usage: install.sh PYTHON EXTRAS
set -e
python=$1
extras=$2
echo "gpudl: installing with the extras $extras ..."
"$python" -m pip install -q --disable-pip-version-check -e ".[$extras]"
"$python" -c 'import gpudl._C' 2>/dev/null ||
    echo "gpudl: installed WITHOUT the C++ extension: everything works, slower on the CPU (pip install -v says why)" >&2
