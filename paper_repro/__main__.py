"""`python -m paper_repro`: every table, one summary."""

from paper_repro import t1, t2, t3, t6
from paper_repro.verdict import Check, Options, main

TABLES = {"T1": t1.measure, "T2": t2.measure, "T3": t3.measure, "T6": t6.measure}


def measure(options: Options) -> list[Check]:
    """Return the checks of all tables."""
    return [check for table in TABLES.values() for check in table(options)]


if __name__ == "__main__":
    main("paper_repro", measure)
