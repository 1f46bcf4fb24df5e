"""``python -m tinygrad_edu`` is ``tinygrad-edu``."""

import sys

from .cli.main import main

sys.exit(main())
