"""What every study is made of, whatever its data and its models; those are handed in.

Options and their files: options, option_checks, config, extras. Tasks: task, rating_task.
Models: models, families, rating_models. Runs: study, rating_study, ablation, tuning, searches, unsolved.
What is written down: results, records, rerun.
"""
