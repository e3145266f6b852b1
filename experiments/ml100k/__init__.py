"""Recommenders on MovieLens-100K, each user's last positive hidden: `python -m experiments.ml100k`.

study: the command, with `--sweep`, `--compare` and `--tune`. models: what is compared. settings: of ranking losses.
search_als, search_ranking: commands of their own, the searches behind the tuned models.
"""
