"""The requests that create a config on a gateway which speaks the seed's API: path and JSON body, in order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CREATES = {
    "model_aliases": ("/api/model-aliases/create", "alias"),
    "access_groups": ("/api/model-access-groups/create", "group_name"),
    "organizations": ("/api/organizations/create", "organization_id"),
    "teams": ("/api/teams/create", "team_id"),
}
Stages = dict[str, list[tuple[str, dict[str, Any]]]]


def stages(directory: Path) -> Stages:
    """Section -> its requests; one section needs those before it."""
    found: Stages = {section: [] for section in CREATES}
    plans: dict[str, Any] = {}
    for path in sorted(directory.glob("*.yaml")):
        if path.name == "reconciler.yaml":
            continue
        document = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        plans |= document.get("plans", {})
        for section in found:
            found[section] += _requests(section, document.get(section, {}), plans)
    return found


def _requests(
    section: str, specs: dict[str, Any], plans: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    path, key = CREATES[section]
    for name, spec in specs.items():
        body = {key: name, **spec}
        body.pop("labels", None)
        plan = plans.get(body.pop("plan", None), {})
        if section == "teams":
            body["access_groups"] = sorted({*body["access_groups"], *plan["access_groups"]})
            body["credits_allocated"] = plan["credits_allocated"]
        yield path, body
