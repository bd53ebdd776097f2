"""Which real requests tell whether a plan took effect: a granted model must answer, a revoked one must be denied."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reconciler.core.plan.plan import Impact, TeamImpact

MOST = 24
MODELS = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """One request to make, and whether it must be allowed."""

    team: str
    model: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of a probe: as expected after so many seconds, or not within the time (`holds` is False)."""

    probe: Probe
    holds: bool
    seconds: float


def probes(
    impact: Impact, teams: Collection[str] | None = None, most: int = MOST
) -> tuple[Probe, ...]:
    """At most `most` probes: for each different impact one team, for each of its sides a few models.

    `teams` limits them to those for which a key is at hand.
    """
    seen: set[tuple[frozenset[str], frozenset[str]]] = set()
    chosen: list[Probe] = []
    for team in impact.teams:
        key = (team.gained, team.lost)
        if team.deleted or key in seen or (teams is not None and team.team not in teams):
            continue
        seen.add(key)
        chosen += _probes(team)
    return tuple(chosen[:most])


def _probes(team: TeamImpact) -> Iterator[Probe]:
    for models, allowed in ((team.gained, True), (team.lost, False)):
        for model in sorted(models)[:MODELS]:
            yield Probe(team.team, model, allowed)
