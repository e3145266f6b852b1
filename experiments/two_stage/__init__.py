"""When does a second stage pay, on MovieLens-100K: `python -m experiments.two_stage`.

study: the command. plots: the published ALS and BPR once more, their items, and how BPR learns.
"""
