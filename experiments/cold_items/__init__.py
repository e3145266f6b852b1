"""Items that nobody has rated yet, from their genres and years: `python -m experiments.cold_items`.

study: the command. tasks: what is held out, and features. models: ours and the baselines. peers: other libraries.
"""
