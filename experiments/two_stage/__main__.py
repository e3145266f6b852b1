"""`python -m experiments.two_stage`."""

import sys

from experiments.two_stage.study import main

if __name__ == "__main__":
    sys.exit(main())
