"""Facts of a gateway that no manifest says, as they were when an apply last wrote them down: name -> JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from reconciler.ledger.soundness import damaged
from reconciler.ledger.statements import upsert
from reconciler.ledger.tables import facts


def read(conn: Connection, gateway: str) -> dict[str, Any]:
    """Every fact by its name. Raises LedgerError for a value that no fact has."""
    rows = conn.execute(select(facts.c.name, facts.c.value).where(facts.c.gateway == gateway))
    found: dict[str, Any] = {}
    for name, value in rows:
        if type(name) is not str or not _fits(value):
            raise damaged("a fact of the gateway")
        found[name] = value
    return found


def write(conn: Connection, gateway: str, values: Mapping[str, Any], now: datetime) -> None:
    """These facts are so since `now`; those that are not named, and those that did not move, stay as they are."""
    known = read(conn, gateway)
    rows = [
        {"gateway": gateway, "name": name, "value": value, "since": now}
        for name, value in values.items()
        if name not in known or known[name] != value
    ]
    upsert(conn, facts, ["value", "since"], rows)


def _fits(value: Any) -> bool:
    """Names; or names by name, one or several."""
    if isinstance(value, dict):
        return all(isinstance(each, str) or _names(each) for each in value.values())
    return _names(value)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
