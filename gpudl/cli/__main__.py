"""`python -m gpudl.cli` is `gpudl`."""

import sys

from . import main

sys.exit(main())
