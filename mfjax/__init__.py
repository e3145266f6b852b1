"""mfjax: matrix-factorisation recommenders as pure, compiled functions in JAX.

Data goes down the list, nothing goes back up. Import the package and name the room, `mfjax.als.fit`, or import the
room, `from mfjax import als`; a room is loaded when it is first used.

=============  =====================================================================================================
`types`        Interactions and Vocabulary on the host, Factors and Scorer on the device
`data`         reading, filtering and splitting interactions; leaks; made-up data
`histories`    interactions -> lists per user, and histories in equal chunks, on the device
`training`     the contract of an algorithm, and transforms of algorithms
`metrics`      of ranks, of lists, of predicted ratings; conventions
`statistics`   bootstrap, paired tests, sources of variance
`als`          alternating least squares: objectives, init, step, fit, fold_in, explain, hypergradients
`ranking`      factors trained on ranking losses: losses, samplers, step, fit, fold_in
`baselines`    random, popularity, item neighbours, EASE, biases, SVD
`devices`      histories and tables shared out over devices
`recommend`    scores, the k best items, similar items, two stages, a model of raw ids
`evaluation`   full ranking, measured
`saving`       models, pytrees and checkpoints in files; fingerprints
`search`       sweeps of settings and seeds; searches for the best setting
`studies`      what the experiments are made of: tasks, runs over models and seeds, tuning, records, options
`reports`      tables, plots and one page of HTML for what a study found
`commands`     one model in a file, fitted and asked from a command line
`checks`       what arguments must be
`compilation`  how the library's own programs are compiled
=============  =====================================================================================================

What a room's `__all__` does not name is private, and may change.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return list(__all__)
