"""What another hand changed of the facts that decide access and that no manifest says, in words. Pure."""

from collections.abc import Iterator

from reconciler.core.access.facts import Models, MovedFact
from reconciler.core.model.findings import Finding, warning
from reconciler.core.model.inventory import Known
from reconciler.core.model.state import State
from reconciler.core.plan.safety import listed
from reconciler.core.plan.support import Support


def moved_findings(known: Known, live: State, support: Support) -> Iterator[Finding]:
    """A warning for each fact that moved since the last complete apply."""
    for fact in support.moved(known.facts, live, known.inventory.keys()):
        message = f"{fact.text}: {fact_meaning(fact)}"
        yield warning("access-moved", message, hint=fact.why_left or None, ref=fact.ref)


def fact_meaning(fact: MovedFact) -> str:
    """`teams a, b now reach gpt-4o; team c no longer reaches claude`."""
    parts = [
        *_reached(fact.gained, "now reaches", "now reach"),
        *_reached(fact.lost, "no longer reaches", "no longer reach"),
    ]
    if fact.redirected:
        parts.append(f"{_teams(sorted(fact.redirected))} can call it")
    return "; ".join(parts) or "no team of ours gains or loses a model by it"


def _reached(models: Models, one: str, several: str) -> Iterator[str]:
    """One part for all teams with the same models."""
    teams_by_models: dict[frozenset[str], list[str]] = {}
    for team in sorted(models):
        teams_by_models.setdefault(models[team], []).append(team)
    for names, teams in teams_by_models.items():
        verb = one if len(teams) == 1 else several
        yield f"{_teams(teams)} {verb} {listed(sorted(names))}"


def _teams(names: list[str]) -> str:
    return f"{'team' if len(names) == 1 else 'teams'} {listed(names)}"
