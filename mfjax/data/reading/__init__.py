"""Any source -> Interactions, on Arrow: columns, checks, vocabularies, pairs.

`reader` reads files, folders and frames, `arrays` arrays and matrices, `batching` a source in parts.

Where bytes are: `opening`. Text: `layouts` finds how a file is written (`dialects`), `lines` brings its bytes to the
parser of `text`, and `quotes` looks at its quotes; `lists` are lines of a user and its items. `typed` has Parquet and
JSON lines, `frames` frames, `parts` all of these in parts. Columns (`columns`, `rows`) become `ids`, `values` and
`times`; `repeats` merges what comes twice, and `assembly` puts all together.
"""

from mfjax.data.reading.arrays import from_arrays, from_sparse
from mfjax.data.reading.batching import batches, scan_vocabularies
from mfjax.data.reading.reader import read, read_split

__all__ = [
    "batches",
    "from_arrays",
    "from_sparse",
    "read",
    "read_split",
    "scan_vocabularies",
]
