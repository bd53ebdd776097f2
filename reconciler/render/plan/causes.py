"""Causes as people read them: what teams that are hit alike have in common, each with its place."""

from collections.abc import Iterator, Sequence

from reconciler.core.model.printable import safe
from reconciler.core.plan.plan import Cause, TeamImpact

# What the fate of a team says already.
SAID = frozenset({"the team is new", "the team is no longer declared"})


def told(team: TeamImpact) -> tuple[str, ...]:
    """What the causes of a team say, whatever their places; equal for teams that are hit alike."""
    return tuple(cause.text for cause in team.causes)


def cause_lines(teams: Sequence[TeamImpact], most: int | None) -> tuple[tuple[str, ...], int]:
    """(one line for each cause, how many are left out) of teams whose causes read alike."""
    lines = tuple(_lines(teams))
    return (
        (lines, 0) if most is None or len(lines) <= most + 1 else (lines[:most], len(lines) - most)
    )


def _lines(teams: Sequence[TeamImpact]) -> Iterator[str]:
    for position, cause in enumerate(teams[0].causes):
        if cause.text not in SAID:
            places = sorted({where(team.causes[position]) for team in teams})
            more = f" and {len(places) - 1:,} more places" if len(places) > 1 else ""
            yield f"{safe(cause.text)} ({safe(places[0])}{more})"


def where(cause: Cause) -> str:
    """`config/plans.yaml:9`; the object where it stands in no file."""
    return f"{cause.origin.file}:{cause.origin.line}" if cause.origin else str(cause.ref)
