"""`python -m experiments.ml1m`."""

import sys

from experiments.ml1m.study import main

if __name__ == "__main__":
    sys.exit(main())
