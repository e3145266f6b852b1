"""What every study is made of, whatever its data and its models; those are handed in.

Options and their files: `options`, `option_checks`, `config`, `extras`, `compiled`. Tasks: `task`, `rating_task`. Models: `models`,
`families`, `rating_models`. Runs: `study`, `rating_study`, `ablation`, `tuning`, `searches`, `unsolved`. What is
written down: `results`, `records`, `rerun`.

The commands of `experiments/` are settings for these modules. They print, and their names may still change.
"""

import lazy_loader

__all__ = [
    "ablation",
    "compiled",
    "config",
    "extras",
    "families",
    "models",
    "option_checks",
    "options",
    "rating_models",
    "rating_study",
    "rating_task",
    "records",
    "rerun",
    "results",
    "searches",
    "study",
    "task",
    "tuning",
    "unsolved",
]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=__all__)
