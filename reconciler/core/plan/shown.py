"""Shown: one object from every side, for `show`."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.model.findings import Origin
from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref


@dataclass(frozen=True)
class Shown:
    """One object from every side: as written, as it resolves, live, and as last applied (None where it is not)."""

    ref: Ref
    written: Resource | None
    desired: Resource | None
    live: Resource | None
    applied: Mapping[str, object] | None
    runtime: Mapping[str, object]
    origin: Origin | None
