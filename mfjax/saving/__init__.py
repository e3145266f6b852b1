"""Files that are whole or absent, and that know what they belong to: models, pytrees, checkpoints, fingerprints."""

from mfjax.saving import checkpoint, container, trees
from mfjax.saving.fingerprints import fingerprint, version
from mfjax.saving.models import load, save
from mfjax.saving.trees import load_tree, save_tree

__all__ = ["checkpoint", "container", "fingerprint", "load", "load_tree", "save", "save_tree", "trees", "version"]
