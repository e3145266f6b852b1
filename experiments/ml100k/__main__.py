"""`python -m experiments.ml100k`."""

import sys

from experiments.ml100k.study import main

if __name__ == "__main__":
    sys.exit(main())
