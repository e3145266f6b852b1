"""One runnable file an experiment: a frozen dataclass of options, `run(options)`, `main()`."""
