"""What every study is made of, whatever its data and its models; those are handed in.

`run` fits models of the `catalogue`, or a user's own `Model`, on the tasks of one of the `protocols`, and returns
`Results`: `model`, `settings`, `running`, `judging`, `fits`, `findings`; `choosing` has `tune`,
`sentences` says what was found, `option_files` reads the options of `mfjax study`.

What the commands of `experiments/` stand on so far: `options`, `option_checks`, `config`, `extras`, `compiled`; `task`,
`rating_task`; `models`, `families`, `rating_models`; `study`, `rating_study`, `ablation`, `tuning`, `searches`,
`unsolved`; `results`, `records`, `rerun`.

The commands of `experiments/` are settings for these modules. They print, and their names may still change.
"""

import lazy_loader

__all__ = [
    "MODELS",
    "Model",
    "Results",
    "Setting",
    "Task",
    "Tasks",
    "ablation",
    "catalogue",
    "choosing",
    "compiled",
    "config",
    "extras",
    "families",
    "findings",
    "fits",
    "judging",
    "model",
    "models",
    "option_checks",
    "option_files",
    "options",
    "protocols",
    "rating_models",
    "rating_study",
    "rating_task",
    "records",
    "rerun",
    "results",
    "run",
    "running",
    "searches",
    "sentences",
    "settings",
    "study",
    "task",
    "tune",
    "tuning",
    "unsolved",
]

_NAMES = {
    "catalogue": ["MODELS"],
    "choosing": ["tune"],
    "findings": ["Results"],
    "model": ["Model"],
    "protocols": ["Tasks"],
    "running": ["run"],
    "settings": ["Setting"],
    "task": ["Task"],
}
_MODULES = sorted(set(__all__) - {name for found in _NAMES.values() for name in found})

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=_MODULES, submod_attrs=_NAMES)
