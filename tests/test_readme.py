"""Every Python block of the documents runs, and prints what the document shows.

The blocks of a section are one program, run in an empty folder. Comments of HTML before a block say otherwise:
`<!-- after: SECTION -->` adds it to the program of an earlier section, whose names it uses,
`<!-- run with A, not B -->`, also after `after: SECTION; `, replaces B by A in it, as fewer trials, and
`<!-- not run: REASON -->` leaves it out. A block without a language after a Python block is what the program prints.
Programs share a process, which saves importing and compiling the same things again, but for those that configure JAX.

The notebooks of docs/gallery are run when the documentation is built, not here.
"""

from __future__ import annotations

import ast
import functools
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfjax.data.published import sources

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("start", "how_to", "concepts", "results")
"""The folders of docs/ whose pages are read here."""
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "paper_repro/README.md",
    *sorted(str(path.relative_to(ROOT)) for folder in PAGES for path in ROOT.glob(f"docs/{folder}/*.md")),
]
NEEDS_DATA = '"ml-100k"'
CONFIGURES_JAX = "jax.config.update"

RUNNER = """
import contextlib, io, json, os, sys, traceback
answers = []
for number, program in enumerate(json.load(sys.stdin)):
    os.mkdir(str(number))
    os.chdir(str(number))
    names, printed, error = {"__name__": "__main__"}, [], ""
    for document, line, text in program:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            try:
                exec(compile("\\n" * line + text, document, "exec"), names)
            except Exception:
                error = traceback.format_exc()
        printed.append(out.getvalue())
        if error:
            break
    answers.append((printed, error))
    os.chdir("..")
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Block:
    """A Python block: where it stands, the comment before it, and the output shown after it."""

    document: str
    section: str
    line: int
    text: str
    comment: str
    shown: str | None


PIECE = re.compile(
    r"^#+ (?P<section>[^\n]+)$|^<!-- (?P<comment>[^\n]+?) -->\n+(?=```python)|^```python\n(?P<text>.*?)^```$"
    r"(\n+```(text)?\n(?P<shown>.*?)^```$)?|^```.*?^```$",
    re.MULTILINE | re.DOTALL,
)


def blocks_of(document: str, text: str) -> list[Block]:
    """Return the Python blocks of a document."""
    found, section, comment = [], "", ""
    for piece in PIECE.finditer(text):
        if piece["section"]:
            section = piece["section"]
        elif piece["text"] is not None:
            line = text[: piece.start("text")].count("\n")
            found.append(Block(document, section, line, piece["text"], comment, piece["shown"]))
        comment = piece["comment"] or ""
    return found


def programs_of(blocks: list[Block]) -> dict[tuple[str, str], list[Block]]:
    """Return the blocks that run one after another, by document and section."""
    programs: dict[tuple[str, str], list[Block]] = {}
    for block in blocks:
        order, _, told = block.comment.partition(": ")
        if order == "not run":
            assert told, f"{block.document}:{block.line}: say why the block is not run"
            continue
        _, _, changed = block.comment.partition("run with ")
        if changed:
            new, _, old = changed.partition(", not ")
            assert old in block.text, f"{block.document}:{block.line}: has no {old!r}"
            block = replace(block, text=block.text.replace(old, new))
        if order == "after":
            told = told.partition("; run with ")[0]
            assert (block.document, told) in programs, f"{block.document}:{block.line}: no earlier section {told!r}"
            programs[block.document, told].append(block)
        else:
            programs.setdefault((block.document, block.section), []).append(block)
    return programs


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document, (ROOT / document).read_text())]
PROGRAMS = programs_of(BLOCKS)


def run(programs: list[list[Block]], folder: Path, **environment: str) -> list[tuple[list[str], str]]:
    """Return what each block of each program prints, and the error that ended the program."""
    told = [[(block.document, block.line, block.text) for block in blocks] for blocks in programs]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(told), capture_output=True, text=True, cwd=folder, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


def alike(printed: str, shown: str) -> bool:
    """Return whether two texts have the same words, and numbers that differ by rounding alone."""
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (printed, shown)]
    numbers = [np.array(NUMBER.findall(text), float) for text in (printed, shown)]
    return words[0] == words[1] and np.allclose(*numbers, rtol=0.01, atol=0.002)


@pytest.fixture(scope="module")
def cache(request, tmp_path_factory) -> Path:
    """A cache of downloads that holds MovieLens-100K."""
    source, cache = request.getfixturevalue("data_dir") / "ml-100k", tmp_path_factory.mktemp("cache")
    (cache / "ml-100k").mkdir()
    for name in ("u.data", "u.item"):
        shutil.copyfile(source / name, cache / "ml-100k" / name)
    sources.seal(cache / "ml-100k", ["u.data", "u.item"], "a copy")
    return cache


def group_of(blocks: list[Block]) -> str:
    """Return the name of the process that a program is run in."""
    if any(CONFIGURES_JAX in block.text for block in blocks):
        return f"{blocks[0].document}, {blocks[0].section}"
    return "with data" if any(NEEDS_DATA in block.text for block in blocks) else "without data"


@pytest.fixture(scope="module")
def printed(request, tmp_path_factory) -> Any:
    """A function of a program's name: what its blocks print, and its error."""

    @functools.cache
    def group(name: str) -> dict[tuple[str, str], tuple[list[str], str]]:
        chosen = {program: blocks for program, blocks in PROGRAMS.items() if group_of(blocks) == name}
        needs_data = any(NEEDS_DATA in block.text for blocks in chosen.values() for block in blocks)
        environment = {"MFJAX_CACHE": str(request.getfixturevalue("cache"))} if needs_data else {}
        answers = run(list(chosen.values()), tmp_path_factory.mktemp("programs"), **environment)
        return dict(zip(chosen, answers, strict=True))

    return lambda program: group(group_of(PROGRAMS[program]))[program]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("program", [pytest.param(name, id=" ".join(name)) for name in PROGRAMS])
def test_the_program_runs_and_prints_what_is_shown(program, printed):
    texts, error = printed(program)
    assert not error, error
    for block, text in zip(PROGRAMS[program], texts, strict=True):
        assert block.shown is None or alike(text, block.shown), f"{block.document}:{block.line} prints\n{text}"


@pytest.mark.parametrize("block", [pytest.param(block, id=f"{block.document}:{block.line}") for block in BLOCKS])
def test_what_a_block_imports_is_there(block):
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


MADE_UP = """# Title
## One
```python
x = 1
```
```sh
# no section
```
## Two
```python
print("two", 2.0004)
```

```
two 2.0
```
<!-- after: One; run with x + 1, not x -->
```python
print(x)
```
```text
2
```
<!-- not run: it takes a day -->

```python
1 / 0
```
"""


def test_blocks_are_found_and_wrong_ones_too(tmp_path):
    blocks = blocks_of("made-up.md", MADE_UP)
    assert [(block.section, block.line, block.comment) for block in blocks] == [
        ("One", 3, ""), ("Two", 10, ""), ("Two", 18, "after: One; run with x + 1, not x"),
        ("Two", 26, "not run: it takes a day"),
    ]  # fmt: skip
    programs = programs_of(blocks)
    assert [[block.line for block in program] for program in programs.values()] == [[3, 18], [10]]
    (first, _), (second, _) = run(list(programs.values()), tmp_path)
    assert alike(first[1], blocks[2].shown)
    assert alike(second[0], blocks[1].shown)
    assert not alike("two 2.1", "two 2.0") and not alike("one 2.0", "two 2.0")
    (tmp_path / "again").mkdir()
    [(_, error)] = run([blocks[3:]], tmp_path / "again")
    assert "line 27" in error and "ZeroDivisionError" in error
