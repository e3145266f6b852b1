"""`python -m experiments.explicit_ml100k`."""

import sys

from experiments.explicit_ml100k.study import main

if __name__ == "__main__":
    sys.exit(main())
