"""From a model to lists: scores, the k best, similar items, two stages, blends, diversity, and a `Model` of raw ids."""

from mfjax.recommend import blending, candidates, diversity, model, two_stage
from mfjax.recommend.candidates import Candidates
from mfjax.recommend.lists import similar_items, top_k, top_k_block
from mfjax.recommend.model import Model
from mfjax.recommend.scores import masked_scores, score, scorer
from mfjax.recommend.selection import largest
from mfjax.recommend.side_by_side import top_k_on_all

__all__ = [
    "Candidates",
    "Model",
    "blending",
    "candidates",
    "diversity",
    "largest",
    "masked_scores",
    "model",
    "score",
    "scorer",
    "similar_items",
    "top_k",
    "top_k_block",
    "top_k_on_all",
    "two_stage",
]
