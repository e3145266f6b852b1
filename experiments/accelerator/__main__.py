"""`python -m experiments.accelerator`."""

from experiments.accelerator.study import main

if __name__ == "__main__":
    main()
