"""`python -m steadygan` is the command `steadygan`."""

from .cli import main

if __name__ == "__main__":
    main()
