from . import (
    als as als,
    baselines as baselines,
    checks as checks,
    compilation as compilation,
    data as data,
    devices as devices,
    evaluation as evaluation,
    histories as histories,
    metrics as metrics,
    ranking as ranking,
    recommend as recommend,
    saving as saving,
    search as search,
    statistics as statistics,
    training as training,
    types as types,
)

__all__: list[str]
__version__: str
