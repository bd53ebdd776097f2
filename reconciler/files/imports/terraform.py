"""A Terraform state (format 4) of the LiteLLM providers as manifests: models, groups, organizations, teams, keys.

Source: the resource documentation of BerriAI's and ncecere's providers. Secrets in the state are never read.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.core.imports.export import Export, Exported, plain, settled
from reconciler.core.model.findings import Finding, ReconcilerError, error, warning
from reconciler.core.model.refs import Ref
from reconciler.files.imports.litellm_config import alias
from reconciler.system.disk import read_regular

MOST_BYTES = 256 << 20

FORMAT = 4
Attributes = Mapping[str, Any]
_DURATIONS = {"hourly": "1h", "daily": "1d", "weekly": "7d", "monthly": "1mo"}
_PARAMS = (
    "api_version",
    "litellm_credential_name",
    "rpm",
    "tpm",
    "reasoning_effort",
    "merge_reasoning_content_in_choices",
    "aws_region_name",
    "aws_role_name",
    "aws_session_name",
    "vertex_project",
    "vertex_location",
)
_SECRETS = {
    "model_api_key": "api_key",
    "aws_access_key_id": "aws_access_key_id",
    "aws_secret_access_key": "aws_secret_access_key",
    "vertex_credentials": "vertex_credentials",
}


def from_terraform(file: Path) -> Export:
    """What the state's LiteLLM resources are. Raises ReconcilerError for a file that is no state of format 4."""
    reading = _Reading()
    for kind, attributes in _instances(_state(file)):
        reading.take(kind, attributes)
    return settled(Export(reading.objects(), extra=tuple(reading.told())))


def _state(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(read_regular(file, MOST_BYTES).decode("utf-8"))
    except (OSError, ValueError) as failure:
        says = f"{file} cannot be read as JSON"
        raise ReconcilerError(
            error("import-source", says, hint="terraform state pull > state.json")
        ) from failure
    if not (
        isinstance(found, dict)
        and found.get("version") == FORMAT
        and isinstance(found.get("resources"), list)
    ):
        says = f"{file} is no Terraform state of format {FORMAT}"
        raise ReconcilerError(
            error("import-source", says, hint="terraform state pull > state.json")
        )
    return found


def _instances(state: Mapping[str, Any]) -> Iterator[tuple[str, Attributes]]:
    for resource in state["resources"]:
        if resource.get("mode", "managed") == "managed" and str(
            resource.get("type", "")
        ).startswith("litellm_"):
            for instance in resource.get("instances") or ():
                yield resource["type"], instance.get("attributes") or {}


@dataclass
class _Reading:
    models: dict[str, list[Attributes]] = field(default_factory=dict)
    model_names: dict[str, str] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    group_ids: dict[str, str] = field(default_factory=dict)
    assigned: dict[str, set[str]] = field(default_factory=dict)
    specs: dict[Ref, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def take(self, kind: str, attributes: Attributes) -> None:
        takers: Mapping[str, Callable[[Attributes], None]] = {
            "litellm_model": self._model,
            "litellm_access_group": self._group,
            "litellm_unified_access_group": self._unified,
            "litellm_organization": self._organization,
            "litellm_team": self._team,
            "litellm_key": self._key,
        }
        if kind in takers:
            takers[kind](attributes)
        else:
            self.skipped[kind] = self.skipped.get(kind, 0) + 1

    def _model(self, said: Attributes) -> None:
        name = str(said.get("model_name") or "")
        if said.get("team_id"):
            self._tell(f"model {name} belongs to a team, which manifests cannot say")
            return
        self.models.setdefault(name, []).append(said)
        self.model_names[str(said.get("id"))] = name

    def _group(self, said: Attributes) -> None:
        name = str(said.get("access_group") or said.get("id"))
        self.groups[name] = {
            "models": said.get("model_names") or (),
            "ids": said.get("model_ids") or (),
        }
        self.group_ids[str(said.get("id") or name)] = name

    def _unified(self, said: Attributes) -> None:
        name = str(said.get("access_group_name"))
        self.groups[name] = {
            "models": said.get("access_model_names") or (),
            "description": said.get("description"),
        }
        self.group_ids[str(said.get("access_group_id") or said.get("id"))] = name
        for team in said.get("assigned_team_ids") or ():
            self.assigned.setdefault(str(team), set()).add(name)

    def _organization(self, said: Attributes) -> None:
        name = str(said.get("organization_id") or said.get("id"))
        spec = {
            "name": said.get("organization_alias") or name,
            "metadata": said.get("metadata") or None,
        }
        self.specs[Ref("organization", name)] = _said(spec)
        self._limits_left(
            f"organization {name}", said, ("models", "max_budget", "tpm_limit", "rpm_limit")
        )

    def _team(self, said: Attributes) -> None:
        name = str(said.get("team_id") or said.get("id"))
        spec = {
            "organization_id": said.get("organization_id") or None,
            "team_alias": said.get("team_alias"),
            "models": sorted(map(str, said.get("models") or ())),
            "access_groups": sorted(map(str, said.get("access_group_ids") or ())),
            "model_aliases": said.get("model_aliases") or None,
            "soft_budget_usd": said.get("soft_budget"),
            **self._limits(f"team {name}", said),
        }
        self.specs[Ref("team", name)] = _said(spec)
        left = (
            "guardrails",
            "prompts",
            "router_settings",
            "model_rpm_limit",
            "model_tpm_limit",
            "team_member_budget",
        )
        self._limits_left(f"team {name}", said, left)

    def _key(self, said: Attributes) -> None:
        """A key by its alias; the key itself is a secret and stays in the state."""
        name, team = said.get("key_alias"), said.get("team_id")
        if not (name and team):
            self._tell("a key without a key_alias or without a team cannot be declared")
            return
        models = [each for each in said.get("models") or () if each != "all-team-models"]
        spec = {
            "team_id": team,
            "models": sorted(map(str, models)),
            **self._limits(f"key {name}", said),
        }
        self.specs[Ref("key", str(name))] = _said(spec)

    def _limits(self, what: str, said: Attributes) -> dict[str, Any]:
        duration = said.get("budget_duration")
        if duration == "yearly":
            self._tell(f"the budget_duration yearly of {what} has no equivalent; 365d is written")
            duration = "365d"
        return {
            "max_budget_usd": said.get("max_budget"),
            "budget_duration": _DURATIONS.get(str(duration), duration) or None,
            "tpm_limit": said.get("tpm_limit"),
            "rpm_limit": said.get("rpm_limit"),
            "metadata": said.get("metadata") or None,
            "status": "suspended" if said.get("blocked") else None,
        }

    def _limits_left(self, what: str, said: Attributes, names: tuple[str, ...]) -> None:
        left = [name for name in names if said.get(name)]
        if left:
            self._tell(f"{', '.join(left)} of {what} cannot be declared")

    def objects(self) -> dict[Ref, Exported]:
        """Everything with links by name instead of by id, and group names taken out of the lists of models."""
        found: dict[Ref, Exported] = {}
        for name, entries in sorted(self.models.items()):
            found[Ref("model_alias", name)] = alias(name, [_entry(each) for each in entries])
        for name, group in sorted(self.groups.items()):
            by_id = {
                self.model_names[each] for each in group.get("ids", ()) if each in self.model_names
            }
            members = sorted({*map(str, group["models"]), *by_id})
            spec = _said({"description": group.get("description"), "model_aliases": members})
            found[Ref("access_group", name)] = Exported(Ref("access_group", name), spec)
        for ref, spec in sorted(self.specs.items()):
            found[ref] = Exported(ref, self._linked(ref, spec) if ref.kind == "team" else spec)
        return found

    def _linked(self, ref: Ref, spec: Mapping[str, Any]) -> dict[str, Any]:
        names = {self.group_ids.get(each, each) for each in spec.get("access_groups", ())}
        names |= self.assigned.get(ref.name, set()) | {
            each for each in spec.get("models", ()) if each in self.groups
        }
        models = [
            each
            for each in spec.get("models", ())
            if each not in self.groups and each != "no-default-models"
        ]
        if not (names or spec.get("models")):
            self._tell(
                f"{ref} has an empty list of models, which LiteLLM reads as every model", ref
            )
        linked = {**spec, "access_groups": sorted(names), "models": models}
        return {name: value for name, value in linked.items() if value != []}

    def told(self) -> Iterator[Finding]:
        yield from self.findings
        for kind, count in sorted(self.skipped.items()):
            yield warning(
                "import-skipped",
                f"{count} of {kind} are not taken over: manifests have no such kind",
            )

    def _tell(self, message: str, ref: Ref | None = None) -> None:
        self.findings.append(warning("import-skipped", message, ref=ref))


def _entry(said: Attributes) -> Mapping[str, Any]:
    """A model of the state as an entry of a model_list; the providers send provider/base_model as the model."""
    provider, model = said.get("custom_llm_provider"), str(said.get("base_model") or "")
    params: dict[str, Any] = {"model": f"{provider}/{model}" if provider else model}
    params |= {name: said[name] for name in _PARAMS if said.get(name)}
    params |= {"api_base": said["model_api_base"]} if said.get("model_api_base") else {}
    # A mark that is no secret: it becomes a reference.
    params |= {ours: "***" for theirs, ours in _SECRETS.items() if said.get(theirs)}
    if said.get("thinking_enabled"):
        params["thinking"] = {
            "type": "enabled",
            "budget_tokens": said.get("thinking_budget_tokens") or 1024,
        }
    params |= {
        str(name): _typed(value)
        for name, value in (said.get("additional_litellm_params") or {}).items()
    }
    params.pop("additional_drop_params", None)
    costs = {side: said.get(f"{side}_cost_per_million_tokens") for side in ("input", "output")}
    params |= {f"{side}_cost_per_token": cost / 1_000_000 for side, cost in costs.items() if cost}
    return {"model_name": said.get("model_name"), "litellm_params": params, "model_info": {}}


def _typed(value: Any) -> Any:
    """The providers' state holds every value as text, and they send numbers, booleans and JSON where it looks so."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _said(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in spec.items() if value not in (None, "")}
