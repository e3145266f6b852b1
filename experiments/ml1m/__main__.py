"""`python -m experiments.ml1m`."""

from experiments.ml1m.study import main

if __name__ == "__main__":
    main()
