"""`python -m paper_repro`: every table, one summary."""

from paper_repro import t1, t2, t3, t4, t5, t6, t7, t8, t9
from paper_repro.verdict import Check, Options, main

TABLES = {f"T{number}": table.measure for number, table in enumerate((t1, t2, t3, t4, t5, t6, t7, t8, t9), start=1)}


def measure(options: Options) -> list[Check]:
    """Return the checks of all tables; one whose data can not be had is left out, and named."""
    checks = []
    for name, table in TABLES.items():
        try:
            checks += table(options)
        except FileNotFoundError as error:
            print(f"{name} left out: {error}\n")
    return checks


if __name__ == "__main__":
    main("paper_repro", measure)
