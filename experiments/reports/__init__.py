"""What people read: tables as sections, plots in two themes, one page of HTML; nothing here fits a model.

Tables: sections, buckets, inspection. Plots: figures, plots_study, plots_sweep, item_space. The page: page.
"""
