"""The command `mfjax`, also `python -m mfjax`: subcommands, each a frozen dataclass of options with a method `run`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "study": (
        "mfjax.reports.command:Study",
        "fit models on a data set and compare them, with sweeps, tuning and a page",
    ),
    "fit": ("mfjax.commands.fit:Fit", "fit one model on all of the data, and write it to a file"),
    "recommend": ("mfjax.commands.lists:Recommend", "the best items for users, from a fitted model"),
    "similar": ("mfjax.commands.lists:Similar", "the items or users most alike, from a fitted model"),
    "explain": ("mfjax.commands.reasons:Explain", "why items have their scores for a user, from a fitted model"),
    "data": ("mfjax.data.describing.command:Data", "what is in a file or folder of interactions, and how it is read"),
}
"""Name -> the class, which is imported when it is used, and what it is for."""

MORE = """examples:

  mfjax data ratings.csv
  mfjax study ratings.csv --models ease ials --out results
  mfjax fit ratings.csv --model ials --out model.mfjax
  mfjax recommend model.mfjax --users ann bob --k 10

mfjax COMMAND --help explains the options of a command. The documentation is in docs/ of the repository:
docs/start/tutorial.md goes from a file to a model, docs/how_to/studies.md and docs/how_to/commands.md say more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of the arguments (those of the process by default) and return its exit code.

    Wrong arguments and bad input end in a line on stderr and exit code 2.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(usage())
        return 0 if given else 2
    if given[0] not in COMMANDS:
        print(f"mfjax: {given[0]!r} is no command; they are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    from mfjax.studies import command_line

    module, _, name = COMMANDS[given[0]][0].partition(":")
    options = getattr(importlib.import_module(module), name)
    return command_line.main(options, given[1:], program=f"mfjax {given[0]}")


def usage() -> str:
    """Return what `mfjax --help` prints."""
    commands = "\n".join(f"  {name:<10} {told}" for name, (_, told) in COMMANDS.items())
    return f"usage: mfjax COMMAND ...\n\n{commands}\n\n{MORE}"


if __name__ == "__main__":
    sys.exit(main())
