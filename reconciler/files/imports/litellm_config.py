"""A LiteLLM proxy's config.yaml as manifests: its model_list, and the access groups that its models are in.

Source: LiteLLM's documentation of the proxy config (model_list, litellm_params, model_info, access_groups).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.core.imports.export import Export, Exported, Spec, plain, settled
from reconciler.core.imports.masks import cleaned, names_of
from reconciler.core.model.findings import Finding, ReconcilerError, error, warning
from reconciler.core.model.kinds import Deployment, ModelAlias
from reconciler.core.model.refs import Ref
from reconciler.files.imports.source import mapping, names, read_yaml_source

_PER_MILLION = 1_000_000
_PRICES = {"input_cost_per_token": "pricing_input", "output_cost_per_token": "pricing_output"}
_OWN = frozenset(Deployment.model_fields) - {"litellm_model", "litellm_params", "base_model"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a model_list: a deployment of the model that calls name."""

    model_name: str
    params: Mapping[str, Any]
    info: Mapping[str, Any]

    @property
    def access_groups(self) -> list[str]:
        groups = self.info.get("access_groups")
        return names(groups if isinstance(groups, list) else [groups])


def from_config_yaml(file: Path) -> Export:
    """Aliases and access groups. Raises ReconcilerError where the file cannot be read as a proxy config."""
    document = mapping(read_yaml_source(file))
    listed = document.get("model_list")
    if not isinstance(listed, list):
        hint = "it needs a model_list, as the config of a LiteLLM proxy has"
        raise ReconcilerError(error("import-source", f"{file} is no LiteLLM config", hint=hint))
    models: dict[str, list[Entry]] = {}
    groups: dict[str, set[str]] = {}
    nameless = 0
    for raw in listed:
        entry = _entry(mapping(raw))
        if entry is None:
            nameless += 1
            continue
        models.setdefault(entry.model_name, []).append(entry)
        for group in entry.access_groups:
            groups.setdefault(group, set()).add(entry.model_name)
    objects: dict[Ref, Exported] = {}
    for name, entries in models.items():
        objects[Ref(ModelAlias.kind, name)] = alias(name, entries)
    for group, members in sorted(groups.items()):
        ref = Ref("access_group", group)
        objects[ref] = Exported(ref, {"model_aliases": sorted(members)})
    return settled(Export(objects, extra=tuple(_left_out(document, nameless, file))))


def _entry(raw: Mapping[str, Any]) -> Entry | None:
    name, params = raw.get("model_name"), raw.get("litellm_params")
    if not (name and isinstance(params, dict)):
        return None
    return Entry(str(name), params, mapping(raw.get("model_info")))


def alias(name: str, entries: Sequence[Entry]) -> Exported:
    """One alias of LiteLLM's entries with that model_name: a plain one where only the model is said."""
    ref = Ref(ModelAlias.kind, name)
    deployments = [_deployment(entry) for entry in entries]
    spec: dict[str, Any] = {"deployments": deployments}
    if len(deployments) == 1 and set(deployments[0]) == {"litellm_model"}:
        spec = dict(deployments[0])
    spec = {field: plain(value) for field, value in {**spec, **_prices(entries)}.items()}
    without_secrets = cleaned(ref, spec)
    known = set(names_of(spec))
    stand_ins = [name for name in names_of(without_secrets.spec) if name not in known]
    remarks = []
    if stand_ins:
        remarks.append(
            f"A secret stood there in clear; set the variable of {', '.join(stand_ins)}."
        )
    return Exported(ref, without_secrets.spec, tuple(remarks), without_secrets.aside)


def _deployment(entry: Entry) -> Spec:
    """What a manifest has a field for, and the rest under litellm_params; nulls say nothing."""
    params = {name: value for name, value in entry.params.items() if value is not None}
    spec: dict[str, Any] = {"litellm_model": str(params.pop("model", "") or "")}
    for price in _PRICES:
        params.pop(price, None)
    for name in sorted(_OWN & params.keys()):
        spec[name] = params.pop(name)
    if entry.info.get("base_model"):
        spec["base_model"] = entry.info["base_model"]
    if params:
        spec["litellm_params"] = params
    return spec


def _prices(entries: Sequence[Entry]) -> Spec:
    """USD per million tokens, where all entries agree."""
    prices: dict[str, Any] = {}
    for theirs, ours in _PRICES.items():
        costs = {_cost(entry, theirs) for entry in entries}
        cost = costs.pop()
        if cost is not None and not costs:
            price = round(cost * _PER_MILLION, 9)
            prices[ours] = int(price) if price.is_integer() else price
    return prices


def _cost(entry: Entry, name: str) -> float | None:
    value = entry.params.get(name, entry.info.get(name))
    try:
        return float(value) if value is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


def _left_out(document: Mapping[str, Any], nameless: int, file: Path) -> Iterator[Finding]:
    left = sorted(name for name in document if name != "model_list")
    if left:
        hint = "model_list is what manifests can say; the rest stays in the proxy's own config"
        says = f"{file.name}: not taken over: {', '.join(left)}"
        yield warning("import-skipped", says, hint=hint)
    if nameless:
        says = f"{file.name}: {nameless} entries have no model_name or no litellm_params"
        yield warning("import-skipped", says)
