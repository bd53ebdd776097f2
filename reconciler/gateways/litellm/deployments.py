"""Model aliases on LiteLLM Proxy: one alias is the deployments that share a `model_name`. Pure: rows <-> ModelAlias.

Canonical form, which a read and `normalise` both give: a lone deployment is the short form (`litellm_model` and
`litellm_params`), several are `deployments` in a fixed order. What all of them share stands on the alias (prices,
blocked); what only some have stays visible as a parameter of those, so that a half-done change is never taken for done.

Source: LiteLLM 1.106.2, proxy/management_endpoints/model_management_endpoints.py.
References (`os.environ/NAME`) are resolved by the proxy and
cannot be read back, so the reference (which is no secret) is kept in the mark `model_info.reconciler`. Of other secrets
the proxy shows masks or nothing; a mask is `litellm_masks.Unreadable`, shown to nobody and never sent.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.model.kinds import Deployment, ModelAlias, Status
from reconciler.gateways.endpoints import Body
from reconciler.gateways.litellm.masks import hides, veiled

MARK = "reconciler"
VERSION = 1
PER_MILLION = 1_000_000
INPUT, OUTPUT, BLOCKED, BASE_MODEL = (
    "input_cost_per_token",
    "output_cost_per_token",
    "blocked",
    "base_model",
)
# Injected into every row; a false one says nothing (observed on 1.106.2).
FLAGS = frozenset(
    {
        "allow_client_keepalive_override",
        "use_in_pass_through",
        "use_litellm_proxy",
        "use_xai_oauth",
        "merge_reasoning_content_in_choices",
    }
)
TARGETS = ("litellm_model", "deployments", "litellm_params")
TYPED = (
    "api_base",
    "api_version",
    "api_key",
    "litellm_credential_name",
    "rpm",
    "tpm",
    "weight",
    "order",
)
REFERENCE = "os.environ/"
NUMBERS = frozenset({"max_retries", "rpm", "tpm", "itpm", "otpm", "weight", "order"})


@dataclass(frozen=True, slots=True)
class Content:
    """What one deployment is: prices in USD per million tokens, `params` without model, prices and empty values."""

    model: str
    params: Mapping[str, Any] = field(default_factory=dict)
    base_model: str | None = None
    input: float | None = None
    output: float | None = None
    blocked: bool = False

    @property
    def key(self) -> str:
        """Equal contents have equal keys; the order of keys is the canonical order."""
        parts = [self.model, self.params, self.base_model, self.input, self.output, self.blocked]
        return json.dumps(_plain(parts), sort_keys=True, default=str)

    @property
    def unreadable(self) -> frozenset[str]:
        """The parameters that are there and cannot be read, be it in part: PATCH replaces them only as a whole."""
        return frozenset(name for name, value in self.params.items() if hides(value))


def _plain(value: Any) -> Any:
    """30 and 30.0 are one number here, whichever of the two the proxy answers."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True, slots=True)
class Row:
    """One deployment on the proxy. `db` is False for one of config.yaml, which the API cannot change."""

    id: str
    name: str
    content: Content
    mark: Mapping[str, Any] = field(default_factory=dict)
    db: bool = True
    legacy_groups: frozenset[str] = frozenset()
    team_id: str | None = None

    @property
    def ours(self) -> bool:
        return bool(self.mark)


@dataclass(frozen=True, slots=True)
class Words:
    """What an alias says beside its deployments; it stands in the mark of each."""

    description: str | None = None
    display_name: str | None = None
    deprecated: bool = False


# ---- wire -> row


def row_of(body: Body) -> Row:
    """A row of `GET /v2/model/info`. Raises KeyError where it lacks what every row has."""
    info, params = body["model_info"], dict(body["litellm_params"])
    mark = info.get(MARK) or {}
    mark = mark if isinstance(mark, Mapping) else {}
    model = str(params.pop("model"))
    prices = {name: _per_million(params.pop(name, None)) for name in (INPUT, OUTPUT)}
    references = mark.get("refs") or {}
    shown = {name: veiled(value) for name, value in tidy(params).items() if name not in references}
    content = Content(
        model,
        {**shown, **tidy(references)},
        info.get(BASE_MODEL),
        prices[INPUT],
        prices[OUTPUT],
        bool(info.get(BLOCKED)),
    )
    groups = frozenset(info.get("access_groups") or ())
    return Row(
        str(info["id"]),
        str(body["model_name"]),
        content,
        mark,
        bool(info.get("db_model")),
        groups,
        info.get("team_id"),
    )


def _per_million(cost: Any) -> float | None:
    return round(float(cost) * PER_MILLION, 9) if cost is not None else None


def tidy(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as both sides mean them: no empty ones, no injected flags, numbers as numbers."""
    kept = {
        name: _number(name, value) for name, value in params.items() if value not in (None, [], {})
    }
    return {name: value for name, value in kept.items() if not (name in FLAGS and not value)}


def _number(name: str, value: Any) -> Any:
    return int(value) if name in NUMBERS and isinstance(value, str) and value.isdecimal() else value


# ---- rows -> alias


def alias_of(rows: Sequence[Row]) -> ModelAlias:
    """The alias that the rows of one name make."""
    words = Words(
        _common(row.mark.get("description") for row in rows),
        _common(row.mark.get("display_name") for row in rows),
        all(row.mark.get("status") == Status.DEPRECATED for row in rows),
    )
    return _alias([row.content for row in rows], words)


def _common(values: Iterable[Any]) -> Any:
    found = list(values)
    return found[0] if all(value == found[0] for value in found) else None


def _alias(contents: Sequence[Content], words: Words) -> ModelAlias:
    blocked, status = _shared([c.blocked for c in contents]), Status.ACTIVE
    if blocked:
        status = Status.DEPRECATED if words.deprecated else Status.INACTIVE
    prices = _shared([c.input for c in contents]), _shared([c.output for c in contents])
    own = [_own(content, blocked is None, prices) for content in contents]
    values: dict[str, Any] = {
        "description": words.description,
        "display_name": words.display_name,
        "status": status,
        "pricing_input": prices[0],
        "pricing_output": prices[1],
        **_targets(own),
    }
    return ModelAlias.model_construct(**values)


def _shared(values: Sequence[Any]) -> Any:
    """The value that all have, None where they differ."""
    return values[0] if all(value == values[0] for value in values) else None


def _own(content: Content, mixed: bool, prices: tuple[float | None, float | None]) -> Content:
    """The content with what is not shared by all written as parameters."""
    params = dict(content.params)
    if mixed and content.blocked:
        params[BLOCKED] = True
    for name, shared, value in (
        (INPUT, prices[0], content.input),
        (OUTPUT, prices[1], content.output),
    ):
        if shared is None and value is not None:
            params[name] = per_token(value)
    return replace(content, params=params)


def per_token(price: float) -> float:
    """USD per token of a price in USD per million tokens."""
    return float(f"{price / PER_MILLION:.15g}")


def _targets(contents: Sequence[Content]) -> dict[str, Any]:
    if len(contents) == 1:
        lone = contents[0]
        params = dict(lone.params) | ({BASE_MODEL: lone.base_model} if lone.base_model else {})
        return {"litellm_model": lone.model, "deployments": (), "litellm_params": params or None}
    several = sorted(contents, key=lambda content: content.key)
    return {
        "litellm_model": None,
        "deployments": tuple(map(_deployment, several)),
        "litellm_params": None,
    }


def _deployment(content: Content) -> Deployment:
    values: dict[str, Any] = {
        name: content.params[name] for name in TYPED if name in content.params
    }
    rest = {name: value for name, value in content.params.items() if name not in values}
    values |= {BASE_MODEL: content.base_model} if content.base_model else {}
    values |= {"litellm_params": rest} if rest else {}
    return Deployment.model_construct(None, litellm_model=content.model, **values)


# ---- alias -> contents


def contents_of(alias: ModelAlias) -> list[Content]:
    """The deployments that an alias asks for, in canonical order."""
    if alias.deployments:
        shared = alias.litellm_params or {}
        wanted = [_parts(deployment, shared) for deployment in alias.deployments]
    else:
        wanted = [(alias.litellm_model or "", dict(alias.litellm_params or {}))]
    return sorted(
        (_content(model, params, alias) for model, params in wanted),
        key=lambda content: content.key,
    )


def _parts(deployment: Deployment, shared: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    typed = {name: getattr(deployment, name) for name in (*TYPED, BASE_MODEL)}
    given = {name: value for name, value in typed.items() if value is not None}
    return deployment.litellm_model, {**shared, **deployment.litellm_params, **given}


def _content(model: str, params: dict[str, Any], alias: ModelAlias) -> Content:
    prices = {name: _per_million(params.pop(name, None)) for name in (INPUT, OUTPUT)}
    blocked = bool(params.pop(BLOCKED, False)) or alias.status is not Status.ACTIVE
    base_model = params.pop(BASE_MODEL, None)
    return Content(
        model,
        tidy(params),
        base_model,
        _price(prices[INPUT], alias.pricing_input),
        _price(prices[OUTPUT], alias.pricing_output),
        blocked,
    )


def _price(own: float | None, shared: float | None) -> float | None:
    chosen = own if own is not None else shared
    return round(float(chosen), 9) if chosen is not None else None


def with_contents(alias: ModelAlias, contents: Sequence[Content]) -> ModelAlias:
    """The alias with other deployments, in canonical form."""
    found = dict(_alias(contents, words_of(alias)))
    return alias.model_copy(
        update={name: found[name] for name in TARGETS if found[name] != getattr(alias, name)}
    )


def words_of(alias: ModelAlias) -> Words:
    return Words(
        alias.description or None, alias.display_name or None, alias.status is Status.DEPRECATED
    )


def canonical(alias: ModelAlias) -> ModelAlias:
    """The alias as it would be read back; which fields were declared stays as it was."""
    found = _alias(contents_of(alias), words_of(alias))
    values = {name: getattr(alias, name) for name in type(alias).model_fields} | dict(found)
    # one deployment in a list is the short form, which has to be written down as such
    moved = {name for name in TARGETS if values[name]} if alias.deployments else set()
    return ModelAlias.model_construct(_fields_set=set(alias.model_fields_set) | moved, **values)


def mark_of(content: Content, words: Words) -> dict[str, Any]:
    """What is kept in `model_info.reconciler` of a deployment; PATCH replaces it as a whole."""
    references = {name: value for name, value in content.params.items() if _refers(value)}
    entries = {
        "v": VERSION,
        "refs": references or None,
        "description": words.description,
        "display_name": words.display_name,
        "status": str(Status.DEPRECATED) if words.deprecated else None,
    }
    return {name: value for name, value in entries.items() if value is not None}


def _refers(value: object) -> bool:
    """Whether a reference is in the value, at any depth: the proxy resolves or masks it, so it is not read back."""
    if isinstance(value, Mapping):
        return any(map(_refers, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_refers, value))
    return isinstance(value, str) and value.startswith(REFERENCE)
