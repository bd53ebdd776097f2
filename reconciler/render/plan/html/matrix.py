"""The access matrix of the HTML report: teams by models, before and after at once."""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.core.access.rules import Access
from reconciler.render.words import NameList, some

NAMES = 20_000
COLUMNS = 300
CELLS = 60_000
KEEPS, GAINS, LOSES, NEVER = "✓", "+", "−", ""  # noqa: RUF001  # as wide as the plus


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """Teams with the same access before and the same after; one mark per column."""

    names: NameList
    cells: tuple[str, ...]

    @property
    def moves(self) -> bool:
        return GAINS in self.cells or LOSES in self.cells


@dataclass(frozen=True)
class AccessMatrix:
    """Models whose access changes come first, and rows with losses. What did not fit is counted."""

    models: tuple[str, ...]
    changed: int
    rows: tuple[MatrixRow, ...]
    more_models: int
    more_teams: int
    more_rows: int

    @property
    def teams(self) -> int:
        return self.more_teams + sum(len(row.names) for row in self.rows)


Both = tuple[frozenset[str], frozenset[str]]


def access_matrix(before: Access, after: Access) -> AccessMatrix:
    """Every team of either side; those with equal access share a row."""
    together: dict[Both, list[str]] = {}
    for team in sorted(before.teams.keys() | after.teams):
        together.setdefault((before.of(team), after.of(team)), []).append(team)
    changed = frozenset[str]().union(*(old ^ new for old, new in together))
    models = [*sorted(changed), *sorted(_reached(together) - changed)]
    columns = tuple(models[:COLUMNS])
    rows = sorted(together.items(), key=_danger)
    most = max(1, CELLS // (len(columns) + 1))
    return AccessMatrix(
        models=columns,
        changed=min(len(changed), COLUMNS),
        rows=tuple(
            MatrixRow(some(names, NAMES), _cells(both, columns)) for both, names in rows[:most]
        ),
        more_models=len(models) - len(columns),
        more_teams=sum(len(names) for _, names in rows[most:]),
        more_rows=max(0, len(rows) - most),
    )


def _reached(pairs: Iterable[Both]) -> frozenset[str]:
    return frozenset[str]().union(*(models for pair in pairs for models in pair))


def _danger(entry: tuple[Both, list[str]]) -> tuple[bool, bool, int, list[str]]:
    (old, new), names = entry
    return (old <= new, old == new, -len(names), names[:1])


def _cells(both: Both, columns: tuple[str, ...]) -> tuple[str, ...]:
    old, new = both
    marks = {(True, True): KEEPS, (False, True): GAINS, (True, False): LOSES, (False, False): NEVER}
    return tuple(marks[model in old, model in new] for model in columns)
