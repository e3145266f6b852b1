"""Commands on one model in a file: fit it, and ask it for lists, neighbours and reasons.

`fit` is `mfjax fit`, of `making`; `lists` has `mfjax recommend` and `mfjax similar`, `reasons` `mfjax explain`. What
these are asked with is in `asking`: `raw` ids from words and files, `output` to a terminal or a file.
"""

import lazy_loader

__all__ = [
    "asking",
    "fit",
    "lists",
    "making",
    "output",
    "raw",
    "reasons",
]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=__all__)
