"""A LiteLLM proxy's config.yaml as manifests: its model_list, and the access groups that its models are in.

Source: LiteLLM's documentation of the proxy config (model_list, litellm_params, model_info, access_groups).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from reconciler.core.imports.export import Export, Exported, Spec, plain, settled
from reconciler.core.imports.masks import cleaned, names_of
from reconciler.core.model.findings import Finding, Origin, ReconcilerError, error, warning
from reconciler.core.model.kinds import Deployment, ModelAlias
from reconciler.core.model.refs import Ref
from reconciler.system.disk import read_regular

MOST_BYTES = 256 << 20

_PER_MILLION = 1_000_000
_PRICES = {"input_cost_per_token": "pricing_input", "output_cost_per_token": "pricing_output"}
_OWN = frozenset(Deployment.model_fields) - {"litellm_model", "litellm_params", "base_model"}
_READ = frozenset({"model_list"})


def from_config_yaml(file: Path) -> Export:
    """Aliases and access groups. Raises ReconcilerError where the file cannot be read as a proxy config."""
    document = _document(file)
    entries = [entry for entry in document.get("model_list") or () if isinstance(entry, dict)]
    models = _by_name(entries)
    groups: dict[str, set[str]] = {}
    objects: dict[Ref, Exported] = {}
    for name, deployments in models.items():
        objects[Ref(ModelAlias.kind, name)] = alias(name, deployments)
        for group in {each for entry in deployments for each in _groups(entry)}:
            groups.setdefault(group, set()).add(name)
    for group, members in sorted(groups.items()):
        ref = Ref("access_group", group)
        objects[ref] = Exported(ref, {"model_aliases": sorted(members)})
    return settled(Export(objects, extra=tuple(_told(document, entries, file))))


def _document(file: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(read_regular(file, MOST_BYTES).decode("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as failure:
        mark = getattr(failure, "problem_mark", None)
        place = (
            Origin(str(file), mark.line + 1, mark.column + 1) if mark else Origin(str(file), 1, 1)
        )
        problem = (
            getattr(failure, "problem", None)
            or getattr(failure, "strerror", None)
            or "it is not UTF-8"
        )
        raise ReconcilerError(
            error("import-source", f"the file cannot be read: {problem}", origin=place)
        ) from failure
    if not (isinstance(found, dict) and isinstance(found.get("model_list"), list)):
        hint = "it needs a model_list, as the config of a LiteLLM proxy has"
        raise ReconcilerError(error("import-source", f"{file} is no LiteLLM config", hint=hint))
    return found


def _by_name(entries: Iterable[Mapping[str, Any]]) -> Mapping[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        if entry.get("model_name") and isinstance(entry.get("litellm_params"), dict):
            found.setdefault(str(entry["model_name"]), []).append(entry)
    return found


def _groups(entry: Mapping[str, Any]) -> Iterator[str]:
    groups = (entry.get("model_info") or {}).get("access_groups") or ()
    yield from map(str, groups if isinstance(groups, (list, tuple)) else (groups,))


def alias(name: str, entries: Sequence[Mapping[str, Any]]) -> Exported:
    """One alias of LiteLLM's entries with that model_name: a plain one where only the model is said."""
    ref = Ref(ModelAlias.kind, name)
    deployments = [_deployment(entry) for entry in entries]
    spec: dict[str, Any] = {}
    if len(deployments) == 1 and set(deployments[0]) == {"litellm_model"}:
        spec["litellm_model"] = deployments[0]["litellm_model"]
    else:
        spec["deployments"] = deployments
    spec |= _prices(entries)
    said = {field: plain(value) for field, value in spec.items()}
    found = cleaned(ref, said)
    stand_ins = [name for name in names_of(found.spec) if name not in names_of(said)]
    remarks = (
        (f"A secret stood there in clear; set the variable of {', '.join(stand_ins)}.",)
        if stand_ins
        else ()
    )
    return Exported(ref, found.spec, remarks, found.aside)


def _deployment(entry: Mapping[str, Any]) -> Spec:
    params = dict(entry["litellm_params"])
    model_info = entry.get("model_info") or {}
    said: dict[str, Any] = {"litellm_model": str(params.pop("model", "") or "")}
    for price in _PRICES:
        params.pop(price, None)
    said |= {
        name: params.pop(name) for name in sorted(_OWN & params.keys()) if params[name] is not None
    }
    if model_info.get("base_model"):
        said["base_model"] = model_info["base_model"]
    rest = {name: value for name, value in params.items() if value is not None}
    return said | ({"litellm_params": rest} if rest else {})


def _prices(entries: Sequence[Mapping[str, Any]]) -> Spec:
    """USD per million tokens, where all entries agree."""
    found: dict[str, Any] = {}
    for theirs, ours in _PRICES.items():
        said = {_cost(entry, theirs) for entry in entries}
        if len(said) == 1 and (cost := said.pop()) is not None:
            price = round(cost * _PER_MILLION, 9)
            found[ours] = int(price) if price.is_integer() else price
    return found


def _cost(entry: Mapping[str, Any], name: str) -> float | None:
    value = entry["litellm_params"].get(name, (entry.get("model_info") or {}).get(name))
    try:
        return float(value) if value is not None else None
    except (TypeError, ValueError):
        return None


def _told(
    document: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], file: Path
) -> Iterator[Finding]:
    left = sorted(str(name) for name in document if name not in _READ)
    if left:
        hint = "model_list is what manifests can say; the rest stays in the proxy's own config"
        yield warning(
            "import-skipped", f"{file.name}: not taken over: {', '.join(left)}", hint=hint
        )
    nameless = sum(
        not (entry.get("model_name") and isinstance(entry.get("litellm_params"), dict))
        for entry in entries
    )
    if nameless:
        yield warning(
            "import-skipped",
            f"{file.name}: {nameless} entries have no model_name or no litellm_params",
        )
