"""What people read: tables as sections, plots in two themes, one page of HTML; nothing here fits a model.

Tables: `sections`, `buckets`, `inspection`. Plots: `figures`, `plots_study`, `plots_sweep`, `item_space`. The page:
`page`. Plots need the extra `experiments`.
"""

import lazy_loader

__all__ = [
    "buckets",
    "figures",
    "inspection",
    "item_space",
    "page",
    "plots_study",
    "plots_sweep",
    "sections",
]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=__all__)
