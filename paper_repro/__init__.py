"""One file per published table: published value, measured value, tolerance, verdict. See README.md."""
