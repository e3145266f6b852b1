"""Commands: a frozen dataclass of options (see `mfjax.studies.options`), read by tyro, with a method `run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tyro

from mfjax import files
from mfjax.studies import compiled, extras, option_files, option_groups
from mfjax.studies.options import Checked, Words, kinds, reading


def begin(options: Any, *modules: str) -> None:
    """Raise ValueError for what would stop a run at its end: no folder `out` to write to, or a missing extra."""
    extras.require(*modules)
    if options.out is not None:
        files.check_writable("out", options.out)


def main(options: Any, arguments: Sequence[str] | None = None, *, program: str) -> int:
    """Read the options of a command, run it, and return its exit code.

    Compiled programs are kept for the next run with the option `compilation_cache`. `--config FILE` reads options from
    TOML, or from the `results.json` of an earlier run; the command line wins. Wrong arguments and bad input end in a
    line on stderr and exit code 2.

    Args:
        options: the dataclass.
        arguments: of the command line; None for those of the process.
        program: its name, for `--help` and for what went wrong; a file of options is of this command.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        chosen = parse(options, given, program=program)
        if getattr(chosen, "compilation_cache", False):
            compiled.keep()
        chosen.run()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        print(f"{program.split()[0]}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def parse(options: Any, arguments: Sequence[str], *, program: str) -> Any:
    """Return the options of a command line.

    Raises:
        ValueError: for a value out of range, or a file that holds no options.
        SystemExit: for what tyro can not read, and after `--help`.
    """
    words, default = _of_file(list(arguments), options, program)
    shown = program if program.startswith("mfjax") else f"python -m {program}"
    groups = option_groups.grouped(options)
    with reading():
        start = default if default is tyro.MISSING_NONPROP else groups.nested(default)
        found = tyro.cli(groups.options, prog=shown, args=_apart(words, options), default=start)
        chosen = options(**groups.flat(found))
    if isinstance(chosen, Checked):
        chosen.check()
    return chosen


def _of_file(words: list[str], options: Any, command: str) -> tuple[list[str], Any]:
    """Return the words without `--config FILE`, and the options of the file, in place of the defaults."""
    for at, word in enumerate(words):
        flag, equals, path = word.partition("=")
        if flag == "--config" and (equals or at + 1 < len(words)):
            rest = words[:at] + words[at + (1 if equals else 2) :]
            file = Path(path or words[at + 1])
            found = option_files.read(file, options, command)
            return rest, replace(found, config=file) if hasattr(found, "config") else found
    return words, tyro.MISSING_NONPROP


def _apart(words: Sequence[str], options: Any) -> list[str]:
    """Return the words with `--k 5,10` as `--k 5 10`, where an option is a tuple."""
    split = {
        flag
        for name, one in kinds(options).items()
        if one and one.many and Words() not in one.rules
        for flag in (f"--{name}", *(alias for rule in one.rules for alias in getattr(rule, "aliases", None) or ()))
    }
    found: list[str] = []
    inside = False
    for word in words:
        if word.startswith("--"):
            flag, equals, text = word.partition("=")
            inside = f"--{flag[2:].replace('-', '_')}" in split
            found += [flag, *text.split(",")] if inside and equals else [word]
        else:
            found += word.split(",") if inside else [word]
    return found
