"""`python -m experiments.cold_items`."""

import sys

from experiments.cold_items.study import main

if __name__ == "__main__":
    sys.exit(main())
