"""matrix: teams or pricing plans by models; who reaches a model and through what; how two of them differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.access.rules import Access, AccessRules, access
from reconciler.core.model.kinds import AccessGroup, ModelAlias, PricingPlan, Status, Team
from reconciler.core.model.state import State


@dataclass(frozen=True, slots=True)
class Row:
    """Teams (or plans) that reach exactly the same models."""

    names: tuple[str, ...]
    models: frozenset[str]


@dataclass(frozen=True)
class Matrix:
    """`models` are the columns, sorted; `kind` is `team` or `plan`. Rows with most models come first."""

    kind: str
    models: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """A team that reaches a model, through these access groups (or its own list, as `models`)."""

    team: str
    through: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What two teams or plans reach: only the first, only the second, both."""

    first: str
    second: str
    only_first: frozenset[str]
    only_second: frozenset[str]
    both: frozenset[str]


def team_matrix(state: State, rules: AccessRules) -> Matrix:
    """Every team of a state; suspended ones reach nothing."""
    return _matrix("team", access(state, rules).teams, state)


def plan_matrix(state: State, plans: Mapping[str, PricingPlan], rules: AccessRules) -> Matrix:
    """Every pricing plan (`Resolved.plans`): what a team on it, with nothing of its own, would reach."""
    return _matrix("plan", plan_access(state, plans, rules).teams, state)


def plan_access(state: State, plans: Mapping[str, PricingPlan], rules: AccessRules) -> Access:
    """Effective access per plan, as of an active team that has only the plan."""
    covers = rules.covers(state)
    teams = {
        name: Team(access_groups=plan.access_groups, status=Status.ACTIVE)
        for name, plan in plans.items()
    }
    sources = {name: rules.sources(team) for name, team in teams.items()}
    reached = {name: frozenset[str]().union(*map(covers, own)) for name, own in sources.items()}
    return Access(reached, sources, covers)


def _matrix(kind: str, reached: Mapping[str, frozenset[str]], state: State) -> Matrix:
    together: dict[frozenset[str], list[str]] = {}
    for name, models in reached.items():
        together.setdefault(models, []).append(name)
    rows = [Row(tuple(sorted(names)), models) for models, names in together.items()]
    columns = frozenset(state.of(ModelAlias)).union(*together)
    return Matrix(
        kind,
        tuple(sorted(columns)),
        tuple(sorted(rows, key=lambda row: (-len(row.models), row.names))),
    )


def callers(found: Access, model: str) -> tuple[Caller, ...]:
    """Who reaches the model, and through what."""
    return tuple(
        Caller(team, _through(found, team, model)) for team in found.callers.get(model, ())
    )


def _through(found: Access, team: str, model: str) -> tuple[str, ...]:
    own = {"direct": "models", "alias": "model_aliases"}
    return tuple(own.get(source.kind, source.name) for source in found.paths(team, model))


def groups_with(state: State, model: str) -> tuple[str, ...]:
    """The access groups that hold the model, whether anybody has them or not."""
    return tuple(
        sorted(
            name for name, group in state.of(AccessGroup).items() if model in group.model_aliases
        )
    )


def difference(first: tuple[str, frozenset[str]], second: tuple[str, frozenset[str]]) -> Difference:
    """Two (name, models) compared."""
    (name, left), (other, right) = first, second
    return Difference(name, other, left - right, right - left, left & right)


def cells(matrix: Matrix) -> Iterator[tuple[str, tuple[bool, ...]]]:
    """One line per name, in order of name: whether it reaches each of the columns."""
    flat = {name: row.models for row in matrix.rows for name in row.names}
    for name in sorted(flat):
        yield name, tuple(model in flat[name] for model in matrix.models)
