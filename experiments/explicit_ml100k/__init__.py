"""Ratings of MovieLens-100K predicted, under two protocols: `python -m experiments.explicit_ml100k`.

study: the command. tasks: the protocols. models: what is compared. peers: the library Surprise. curves: the loss of
every ALS by iteration.
"""
