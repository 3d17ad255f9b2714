"""`python -m steadygan` is the command `steadygan`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
