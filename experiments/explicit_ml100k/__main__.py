"""`python -m experiments.explicit_ml100k`."""

from experiments.explicit_ml100k.study import main

if __name__ == "__main__":
    main()
