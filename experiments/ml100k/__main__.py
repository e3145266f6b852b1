"""`python -m experiments.ml100k`."""

from experiments.ml100k.study import main

if __name__ == "__main__":
    main()
