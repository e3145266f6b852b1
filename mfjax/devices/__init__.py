"""All devices used: chunks of histories shared out (`sharding`), and factor tables too (`by_rows`)."""

from mfjax.devices import by_rows, sharding
from mfjax.devices.sharding import MapOverDevices, mesh

__all__ = ["MapOverDevices", "by_rows", "mesh", "sharding"]
