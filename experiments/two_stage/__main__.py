"""`python -m experiments.two_stage`."""

from experiments.two_stage.study import main

if __name__ == "__main__":
    main()
