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
from reconciler.files.imports.litellm_config import Entry, alias
from reconciler.files.imports.source import as_json, mapping, names, read_json_source

_HINT = "terraform state pull > state.json"

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
_NOT_OF_TEAMS = (
    "guardrails",
    "prompts",
    "router_settings",
    "model_rpm_limit",
    "model_tpm_limit",
    "team_member_budget",
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
    state = mapping(read_json_source(file, _HINT))
    if state.get("version") != FORMAT or not isinstance(state.get("resources"), list):
        says = f"{file} is no Terraform state of format {FORMAT}"
        raise ReconcilerError(error("import-source", says, hint=_HINT))
    return state


def _instances(state: Mapping[str, Any]) -> Iterator[tuple[str, Attributes]]:
    """The type and the attributes of each managed object of a LiteLLM provider."""
    for raw in state["resources"]:
        resource = mapping(raw)
        kind = str(resource.get("type", ""))
        instances = resource.get("instances")
        if resource.get("mode", "managed") != "managed" or not kind.startswith("litellm_"):
            continue
        for instance in instances if isinstance(instances, list) else ():
            yield kind, mapping(mapping(instance).get("attributes"))


@dataclass
class _Group:
    """An access group: its models by name, and by the provider's id."""

    models: list[str]
    ids: list[str] = field(default_factory=list)
    description: Any = None


@dataclass
class _Reading:
    models: dict[str, list[Attributes]] = field(default_factory=dict)
    model_names: dict[str, str] = field(default_factory=dict)
    groups: dict[str, _Group] = field(default_factory=dict)
    group_ids: dict[str, str] = field(default_factory=dict)
    assigned: dict[str, set[str]] = field(default_factory=dict)
    """Team id -> the groups that say that they are the team's."""
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

    def _model(self, model: Attributes) -> None:
        name = str(model.get("model_name") or "")
        if model.get("team_id"):
            self._tell(f"model {name} belongs to a team, which manifests cannot say")
            return
        self.models.setdefault(name, []).append(model)
        self.model_names[str(model.get("id"))] = name

    def _group(self, group: Attributes) -> None:
        name = str(group.get("access_group") or group.get("id"))
        self.groups[name] = _Group(names(group.get("model_names")), names(group.get("model_ids")))
        self.group_ids[str(group.get("id") or name)] = name

    def _unified(self, group: Attributes) -> None:
        name = str(group.get("access_group_name"))
        members = names(group.get("access_model_names"))
        self.groups[name] = _Group(members, description=group.get("description"))
        self.group_ids[str(group.get("access_group_id") or group.get("id"))] = name
        for team in names(group.get("assigned_team_ids")):
            self.assigned.setdefault(team, set()).add(name)

    def _organization(self, organization: Attributes) -> None:
        name = str(organization.get("organization_id") or organization.get("id"))
        self.specs[Ref("organization", name)] = _written(
            {
                "name": organization.get("organization_alias") or name,
                "metadata": organization.get("metadata") or None,
            }
        )
        limits = ("models", "max_budget", "tpm_limit", "rpm_limit")
        self._tell_left_out(f"organization {name}", organization, limits)

    def _team(self, team: Attributes) -> None:
        name = str(team.get("team_id") or team.get("id"))
        self.specs[Ref("team", name)] = _written(
            {
                "organization_id": team.get("organization_id") or None,
                "team_alias": team.get("team_alias"),
                "models": names(team.get("models")),
                "access_groups": names(team.get("access_group_ids")),
                "model_aliases": team.get("model_aliases") or None,
                "soft_budget_usd": team.get("soft_budget"),
                **self._limits(f"team {name}", team),
            }
        )
        self._tell_left_out(f"team {name}", team, _NOT_OF_TEAMS)

    def _key(self, key: Attributes) -> None:
        """A key by its alias; the key itself is a secret and stays in the state."""
        name, team = key.get("key_alias"), key.get("team_id")
        if not (name and team):
            self._tell("a key without a key_alias or without a team cannot be declared")
            return
        self.specs[Ref("key", str(name))] = _written(
            {
                "team_id": str(team),
                "models": [each for each in names(key.get("models")) if each != "all-team-models"],
                **self._limits(f"key {name}", key),
            }
        )

    def _limits(self, what: str, owner: Attributes) -> dict[str, Any]:
        duration = owner.get("budget_duration")
        if duration == "yearly":
            self._tell(f"the budget_duration yearly of {what} has no equivalent; 365d is written")
            duration = "365d"
        return {
            "max_budget_usd": owner.get("max_budget"),
            "budget_duration": _DURATIONS.get(str(duration), duration) or None,
            "tpm_limit": owner.get("tpm_limit"),
            "rpm_limit": owner.get("rpm_limit"),
            "metadata": owner.get("metadata") or None,
            "status": "suspended" if owner.get("blocked") else None,
        }

    def _tell_left_out(self, what: str, owner: Attributes, fields: tuple[str, ...]) -> None:
        left = [name for name in fields if owner.get(name)]
        if left:
            self._tell(f"{', '.join(left)} of {what} cannot be declared")

    def objects(self) -> dict[Ref, Exported]:
        """Everything with links by name instead of by id, and group names taken out of the lists of models."""
        objects: dict[Ref, Exported] = {}
        for name, models in sorted(self.models.items()):
            objects[Ref("model_alias", name)] = alias(name, [_entry(model) for model in models])
        for name, group in sorted(self.groups.items()):
            by_id = {self.model_names[each] for each in group.ids if each in self.model_names}
            members = sorted({*group.models, *by_id})
            spec = _written({"description": group.description, "model_aliases": members})
            objects[Ref("access_group", name)] = Exported(Ref("access_group", name), spec)
        for ref, spec in sorted(self.specs.items()):
            objects[ref] = Exported(ref, self._linked(ref, spec) if ref.kind == "team" else spec)
        return objects

    def _linked(self, ref: Ref, spec: Mapping[str, Any]) -> dict[str, Any]:
        """A team's spec with its groups by name: LiteLLM lists legacy groups among the models."""
        listed = spec.get("models", [])
        groups = {self.group_ids.get(each, each) for each in spec.get("access_groups", [])}
        groups |= self.assigned.get(ref.name, set())
        models = []
        for name in listed:
            if name in self.groups:
                groups.add(name)
            elif name != "no-default-models":
                models.append(name)
        if not (groups or listed):
            says = f"{ref} has an empty list of models, which LiteLLM reads as every model"
            self._tell(says, ref)
        linked = {**spec, "access_groups": sorted(groups), "models": models}
        return {name: value for name, value in linked.items() if value != []}

    def told(self) -> Iterator[Finding]:
        yield from self.findings
        for kind, count in sorted(self.skipped.items()):
            says = f"{count} of {kind} are not taken over: manifests have no such kind"
            yield warning("import-skipped", says)

    def _tell(self, message: str, ref: Ref | None = None) -> None:
        self.findings.append(warning("import-skipped", message, ref=ref))


def _entry(model: Attributes) -> Entry:
    """A model of the state as an entry of a model_list; the providers send provider/base_model as the model."""
    provider, base = model.get("custom_llm_provider"), str(model.get("base_model") or "")
    params: dict[str, Any] = {"model": f"{provider}/{base}" if provider else base}
    params |= {name: model[name] for name in _PARAMS if model.get(name)}
    if model.get("model_api_base"):
        params["api_base"] = model["model_api_base"]
    # A mark that is no secret: it becomes a reference.
    params |= {ours: "***" for theirs, ours in _SECRETS.items() if model.get(theirs)}
    if model.get("thinking_enabled"):
        budget = model.get("thinking_budget_tokens") or 1024
        params["thinking"] = {"type": "enabled", "budget_tokens": budget}
    for name, value in mapping(model.get("additional_litellm_params")).items():
        if name != "additional_drop_params":
            params[name] = _retyped(value)
    for side in ("input", "output"):
        params[f"{side}_cost_per_token"] = _per_token(model.get(f"{side}_cost_per_million_tokens"))
    return Entry(str(model.get("model_name")), params, {})


def _per_token(per_million: Any) -> float | None:
    try:
        return float(per_million) / 1_000_000 or None
    except (TypeError, ValueError, OverflowError):
        return None


def _retyped(value: Any) -> Any:
    """The providers' state holds every value as text, and they send numbers, booleans and JSON where it looks so."""
    if not isinstance(value, str):
        return value
    try:
        return as_json(json.loads(value))
    except (ValueError, RecursionError):
        return value


def _written(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something."""
    return {name: plain(value) for name, value in fields.items() if value not in (None, "")}
