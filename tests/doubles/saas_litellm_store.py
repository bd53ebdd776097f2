"""The database of the SaaS server's double: five tables, two link tables, PostgreSQL's column limits and heap order."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Any, TypeVar

INT32_MAX = 2**31 - 1


class DatabaseError(Exception):
    """PostgreSQL refused the statement; the server does not catch it, so it is a 500 in plain text."""


@dataclass(frozen=True, kw_only=True)
class Organization:
    organization_id: str
    name: str
    metadata: dict[str, Any] | None
    status: str = "active"
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Alias:
    model_alias: str
    display_name: str
    provider: str
    actual_model: str
    description: str | None = None
    pricing_input: Decimal | None = None
    pricing_output: Decimal | None = None
    status: str = "active"
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Group:
    group_name: str
    display_name: str
    description: str | None = None
    status: str = "active"
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Team:
    team_id: str
    organization_id: str | None
    credits_allocated: int = 0
    credits_used: int = 0
    credit_limit: int | None = None
    auto_refill: bool = False
    refill_amount: int | None = None
    refill_period: str | None = None
    last_refill_at: datetime | None = None
    virtual_key: str | None = None
    budget_mode: str = "job_based"
    credits_per_dollar: Decimal | None = Decimal("10.00")
    tokens_per_credit: int | None = 10_000
    cost_markup_percentage: Decimal | None = Decimal("0.00")
    status: str = "active"
    created_at: datetime
    updated_at: datetime

    @property
    def credits_remaining(self) -> int:
        return self.credits_allocated - self.credits_used


@dataclass(frozen=True, kw_only=True)
class Transaction:
    transaction_id: str
    team_id: str
    organization_id: str | None
    transaction_type: str
    credits_amount: int
    credits_before: int
    credits_after: int
    reason: str | None
    created_at: datetime
    updated_at: datetime


Row = Organization | Alias | Group | Team | Transaction
Link = tuple[str, str]
R = TypeVar("R", Organization, Alias, Group, Team, Transaction)


@dataclass
class Store:
    """Rows by primary key in heap order: an updated row moves to the end.

    Every method checks first and writes last, so a raised error leaves the tables as they were, as a rollback would.
    `migrated_schema` has the unique constraints on the links that a schema made by `create_all` lacks.
    """

    migrated_schema: bool = False
    organizations: dict[str, Organization] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    transactions: dict[str, Transaction] = field(default_factory=dict)
    alias_groups: list[Link] = field(default_factory=list)
    team_groups: list[Link] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)

    def insert(self, table: dict[str, R], kind: type[R], key: str, **values: Any) -> R:
        if key in table:
            raise DatabaseError(f"duplicate key value violates unique constraint: {key}")
        row = kind(**_columns(values), created_at=now(), updated_at=now())
        _check_computed(row)
        table[key] = row
        return row

    def update(self, table: dict[str, R], key: str, **values: Any) -> R:
        """Nothing is written, and the row keeps its place, when every value is already there."""
        changed = {
            name: value for name, value in values.items() if getattr(table[key], name) != value
        }
        if changed:
            row = replace(table[key], **_columns(changed), updated_at=now())
            _check_computed(row)
            del table[key]
            table[key] = row
        return table[key]

    def check_values(self, **values: Any) -> None:
        _columns(values)

    def groups_of_alias(self, alias: str) -> list[str]:
        return [group for each, group in self.alias_groups if each == alias]

    def aliases_of_group(self, group: str) -> list[str]:
        return [alias for alias, each in self.alias_groups if each == group]

    def groups_of_team(self, team: str) -> list[str]:
        return [group for each, group in self.team_groups if each == team]

    def teams_of_group(self, group: str) -> list[str]:
        return [team for team, each in self.team_groups if each == group]

    def allowed_aliases(self, groups: Iterable[str]) -> list[str]:
        return sorted({alias for group in groups for alias in self.aliases_of_group(group)})

    def check_links(self, names: Iterable[str]) -> None:
        listed = list(names)
        if self.migrated_schema and len(set(listed)) != len(listed):
            raise DatabaseError("duplicate key value violates unique constraint of the link table")

    def check_team_groups(self, names: Iterable[str]) -> None:
        """A group may have gone while the request waited for LiteLLM."""
        listed = list(names)
        self.check_links(listed)
        if missing := [name for name in listed if name not in self.groups]:
            raise DatabaseError(f"insert violates foreign key constraint: {missing}")

    def set_alias_groups(self, alias: str, groups: list[str]) -> None:
        self.check_links(groups)
        self.alias_groups = [link for link in self.alias_groups if link[0] != alias]
        self.alias_groups += [(alias, group) for group in groups]

    def set_group_aliases(self, group: str, aliases: list[str]) -> None:
        self.check_links(aliases)
        self.alias_groups = [link for link in self.alias_groups if link[1] != group]
        self.alias_groups += [(alias, group) for alias in aliases]

    def set_team_groups(self, team: str, groups: list[str]) -> None:
        self.check_team_groups(groups)
        self.team_groups = [link for link in self.team_groups if link[0] != team]
        self.team_groups += [(team, group) for group in groups]

    def dump(self) -> dict[str, Any]:
        tables: dict[str, Mapping[str, Row]] = {
            "organizations": self.organizations,
            "aliases": self.aliases,
            "groups": self.groups,
            "teams": self.teams,
            "transactions": self.transactions,
        }
        rows = {name: [asdict(row) for row in table.values()] for name, table in tables.items()}
        return {
            **rows,
            "alias_groups": list(self.alias_groups),
            "team_groups": list(self.team_groups),
        }


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _varchar(limit: int, value: str) -> str:
    if len(value) > limit:
        raise DatabaseError(f"value too long for type character varying({limit})")
    return value


def _int32(value: int) -> int:
    if not -INT32_MAX - 1 <= value <= INT32_MAX:
        raise DatabaseError("integer out of range")
    return value


def _numeric(precision: int, places: int, value: float | Decimal) -> Decimal:
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    if abs(rounded) >= Decimal(10) ** (precision - places):
        raise DatabaseError("numeric field overflow")
    return rounded


_COLUMNS: dict[str, Callable[[Any], Any]] = {
    "model_alias": partial(_varchar, 200),
    "group_name": partial(_varchar, 200),
    "team_id": partial(_varchar, 255),
    "organization_id": partial(_varchar, 255),
    "reason": partial(_varchar, 500),
    "credits_allocated": _int32,
    "credits_used": _int32,
    "credits_amount": _int32,
    "tokens_per_credit": _int32,
    "refill_amount": _int32,
    "pricing_input": partial(_numeric, 10, 6),
    "pricing_output": partial(_numeric, 10, 6),
    "credits_per_dollar": partial(_numeric, 10, 2),
}


def _column(name: str, value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise DatabaseError("A string literal cannot contain NUL (0x00) characters.")
    return value if value is None else _COLUMNS.get(name, lambda plain: plain)(value)


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _column(name, value) for name, value in values.items()}


def _check_computed(row: Row) -> None:
    if isinstance(row, Team):
        _int32(row.credits_remaining)
