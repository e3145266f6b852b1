"""The study engine: models fitted on the tasks of a protocol, judged by what was hidden, and compared.

`run` fits models of the `catalogue`, or a user's own `Model`, on the tasks of one of the `protocols`, and returns
`Results`; `search`, `tune` and `stopped` choose settings on validation tasks. It prints nothing.

Before the fit: `protocols`, `given`, `task`. The models: `model`, `fitting` (how most are made), `catalogue`. The run:
`settings`, `running`, `judging`, `fits` (on disk). On validation: `choosing`, `stopping`, `curves`. After the run:
`findings`, `tables`, `sentences`, `manifests`. Commands: `command_line`, `option_files`, `kept`, `compiled`, `extras`.
"""

import lazy_loader

__all__ = [
    "MODELS",
    "Model",
    "Results",
    "Setting",
    "Task",
    "Tasks",
    "catalogue",
    "choosing",
    "command_line",
    "compiled",
    "curves",
    "extras",
    "findings",
    "fits",
    "fitting",
    "given",
    "judging",
    "kept",
    "manifests",
    "model",
    "option_files",
    "protocols",
    "run",
    "running",
    "search",
    "sentences",
    "settings",
    "stopped",
    "stopping",
    "tables",
    "task",
    "tune",
]

_NAMES = {
    "catalogue": ["MODELS"],
    "choosing": ["search", "tune"],
    "findings": ["Results"],
    "model": ["Model"],
    "protocols": ["Tasks"],
    "running": ["run"],
    "settings": ["Setting"],
    "stopping": ["stopped"],
    "task": ["Task"],
}
_MODULES = sorted(set(__all__) - {name for found in _NAMES.values() for name in found})

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=_MODULES, submod_attrs=_NAMES)
