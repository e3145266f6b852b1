"""What people read: tables as sections, plots in two themes, one page of HTML; nothing here fits a model.

Tables: `sections`, `study_tables`, `buckets`, `inspection`. Plots: `figures`, the one drawing style; `line_plots`,
`plots_settings`, `plots_study`, `item_space`. The page: `study_page`. `command` is the command `mfjax study`,
`study_options` what its options mean. Plots need the extra `experiments`.
"""

import lazy_loader

__all__ = [
    "buckets",
    "command",
    "figures",
    "inspection",
    "item_space",
    "line_plots",
    "plots_settings",
    "plots_study",
    "sections",
    "study_options",
    "study_page",
    "study_tables",
]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=__all__)
