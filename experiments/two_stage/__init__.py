"""When does a second stage pay, on MovieLens-100K: `python -m experiments.two_stage`.

study: the command. published_runs: the published ALS and BPR once more. plots: their items, and how BPR learns.
"""
