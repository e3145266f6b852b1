"""What is in a file: `description` and the command that prints it; `source` has the options of commands that read."""

from mfjax.data.describing.description import Description, describe

__all__ = [
    "Description",
    "describe",
]
