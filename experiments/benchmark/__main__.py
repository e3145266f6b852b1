"""`python -m experiments.benchmark`."""

from experiments.benchmark.study import main

if __name__ == "__main__":
    main()
