"""What a study says in words: which differences are real, and what sampled ranks are not."""

from __future__ import annotations

from mfjax.studies.findings import Results

LEVEL = 0.05


def comparisons(results: Results, measure: str | None = None) -> list[str]:
    """Return a line per setting: those that it differs from on a measure (the first), by paired t tests and Holm."""
    name = results.measures[0] if measure is None else measure
    found = results.compare([name])
    settings = [str(setting) for setting in results.settings]
    differs = {(row.one, row.other) for row in found if row.p_holm < LEVEL}
    differs |= {(other, one) for one, other in differs}
    lines = [f"\n{name}: settings that differ, paired t tests over users, Holm over {len(found)} pairs, level {LEVEL}"]
    for one in settings:
        others = [other for other in settings if (one, other) in differs]
        same = [other for other in settings if other != one and other not in others]
        said = "all others" if not same else ", ".join(others) or "none"
        lines.append(f"  {one} differs from {said}")
    return lines


def sampled_warning(results: Results) -> str:
    """Return what a reader of metrics among listed items must know."""
    return (
        "Ranks are among the listed items of each user, not the catalogue: such metrics can order models the other way "
        "round (Krichene & Rendle 2020). evaluation.sampled.corrected estimates those of the full ranking."
    )
