"""All devices used: the cores of a CPU (`cores`), chunks of histories shared out (`sharding`), and factor tables too
(`by_rows`)."""

from mfjax.devices import by_rows, cores, sharding
from mfjax.devices.cores import build_on_all, fit_on_all, start_on_all, use_cores
from mfjax.devices.sharding import MapOverDevices, mesh

__all__ = [
    "MapOverDevices",
    "build_on_all",
    "by_rows",
    "cores",
    "fit_on_all",
    "mesh",
    "sharding",
    "start_on_all",
    "use_cores",
]
