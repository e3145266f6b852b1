"""A complete study of recommenders on MovieLens-1M, or any other ratings: `python -m experiments.ml1m`.

study: the command. models: what is compared. search: of two models' settings. findings: what a run returns.
tables, learning_curves, report: what is made of it.
"""
