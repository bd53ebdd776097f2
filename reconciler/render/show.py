"""One object from every side, as YAML that people can compare."""

from collections.abc import Mapping
from typing import Any

import yaml

from reconciler.core.model.inventory import record_of
from reconciler.core.model.kinds import KINDS, Resource
from reconciler.core.model.printable import json_text
from reconciler.core.plan.drift import Shown
from reconciler.render.words import plain

IN_GIT = "in git alone: gateways know teams, not what is declared of them here"


def render_shown(shown: Shown) -> str:
    """Sections written, resolves to, live, runtime and last applied; what an object has not is said."""
    place = f"  # {shown.origin}" if shown.origin else ""
    parts = [f"{shown.ref}{place}", _section("written", _plain(shown.written), "not declared")]
    if (
        shown.desired is not None
        and shown.written is not None
        and _plain(shown.desired) != _plain(shown.written)
    ):
        parts.append(_section("resolves to", _plain(shown.desired), ""))
    virtual = KINDS[shown.ref.kind].virtual
    parts.append(_section("live", _plain(shown.live), IN_GIT if virtual else "not on the gateway"))
    if shown.runtime:
        parts.append(_section("runtime", shown.runtime, ""))
    parts.append(
        _section(
            "last applied", shown.applied, "not yet" if virtual else "never: the object is not ours"
        )
    )
    return "\n".join(parts)


def shown_json(shown: Shown) -> str:
    """The same sides for other programs; null is a side that the object has not."""
    sides = {
        "ref": str(shown.ref),
        "origin": str(shown.origin) if shown.origin else None,
        "written": _plain(shown.written),
        "desired": _plain(shown.desired),
        "live": _plain(shown.live),
        "runtime": dict(shown.runtime),
        "applied": shown.applied,
    }
    return json_text(plain(sides)) + "\n"


def _plain(resource: Resource | None) -> Mapping[str, Any] | None:
    if resource is None:
        return None
    return {
        name: value
        for name, value in record_of(resource).items()
        if value not in (None, [], {}, "")
    }


def _section(title: str, value: Mapping[str, Any] | None, absent: str) -> str:
    if value is None:
        return f"\n{title}: {absent}"
    text = yaml.safe_dump(dict(value), sort_keys=True, allow_unicode=True) if value else "{}\n"
    return f"\n{title}:\n" + "".join(f"  {line}\n" for line in text.splitlines()).rstrip("\n")
