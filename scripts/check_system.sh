#!/bin/sh
# Names missing system packages in one line. Usage: check_system.sh PYTHON
# Without venv support nothing can go on; without a compiler or Python.h gpudl installs without its C++ extension.
python=$1
if [ -z "$python" ]; then
    echo "gpudl: no Python 3.11 or newer was found: sudo apt install python3 python3-venv python3-dev g++ make" >&2
    exit 1
fi
optional=""
command -v "${CXX:-c++}" >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || optional="$optional g++"
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    optional="$optional python3-dev"
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo "gpudl: missing system packages: sudo apt install python3-venv$optional" >&2
    exit 1
fi
if [ -n "$optional" ]; then
    echo "gpudl: going on without the C++ extension (slower on the CPU); to have it: sudo apt install$optional" >&2
fi
