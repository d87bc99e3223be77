"""`python -m bench` is `gpudl bench`."""

import sys

from gpudl.cli import main

sys.exit(main(["bench", *sys.argv[1:]]))
