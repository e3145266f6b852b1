"""`python -m experiments.accelerator`."""

import sys

from experiments.accelerator.study import main

if __name__ == "__main__":
    sys.exit(main())
