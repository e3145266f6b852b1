"""Runnable experiments, a room each, and the two rooms that they share: `python -m experiments.<name> --help`.

ml100k, ml1m, explicit_ml100k, two_stage, ranking_losses: studies of MovieLens; `study` in each is the command.
benchmark: seconds and memory, beside other libraries and on more devices.
engine: what a study is made of: tasks, recommenders, seeds, sweeps, searches, options, results, and runs repeated.
reports: tables, plots and pages for people.

Imports run one way: engine, reports, the experiments' own rooms.
"""
