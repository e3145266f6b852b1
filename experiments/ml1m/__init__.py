"""A complete study of recommenders on MovieLens-1M, or any other ratings: `python -m experiments.ml1m`.

study: the command. models: what is compared. report: the plots of its page.
"""
