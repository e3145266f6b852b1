"""Runnable experiments, a room or a file each: `python -m experiments.<name> --help`.

ml100k, ml1m, explicit_ml100k, two_stage, ranking_losses: studies of MovieLens, presets of `mfjax.studies`; `study` in
each is the command.
benchmark: seconds and memory, beside other libraries and on more devices. accelerator: the same on a GPU or TPU.
"""
