"""Which requests take the deployments of one alias from what they are to what they should be. Pure.

Source: LiteLLM 1.106.2, proxy/management_endpoints/model_management_endpoints.py.
PATCH merges and null clears almost nothing, so a deployment that loses
a parameter is replaced: the new one is created first, so that the name stays backed and no access group drops it.
POST /model/update is never used: it loses parameters that it does not know.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.gateways.litellm.deployments import (
    BASE_MODEL,
    BLOCKED,
    INPUT,
    MARK,
    OUTPUT,
    Content,
    Row,
    Words,
    mark_of,
    per_token,
)

# The only parameters that null clears (observed on 1.106.2); an empty list clears the others that hold lists.
CLEARED_BY_NULL = frozenset({"litellm_credential_name", "cache_control_injection_points"})
# Never read back, not even whether they are there.
UNREADABLE = frozenset(
    {
        "api_key",
        "client_secret",
        "vertex_credentials",
        "vertex_ai_credentials",
        "aws_access_key_id",
        "aws_secret_access_key",
        "azure_ad_token",
    }
)
# What the ids of deployments that we create start with.
OUR_IDS = f"{MARK}-"
# Of `model_info` as it is stored; everything else in it belongs to others and comes along with a replacement.
SERVER_INFO = frozenset(
    {"id", "db_model", "member_auto_router", BASE_MODEL, BLOCKED, INPUT, OUTPUT, MARK}
)


@dataclass(frozen=True, slots=True)
class Create:
    """A new deployment; `instead_of` is the row that it replaces and that goes afterwards."""

    content: Content
    instead_of: Row | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """A merge into one deployment."""

    row: Row
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operations:
    """What to do, in this order: creations, patches, deletions."""

    creations: tuple[Create, ...] = ()
    patches: tuple[Patch, ...] = ()
    deletions: tuple[Row, ...] = ()


def carried(have: Sequence[Content], want: Sequence[Content]) -> list[Content]:
    """The wanted contents with what of the live ones nobody can read and nobody declares: it stays where it is."""
    rows = [Row(str(index), "", content) for index, content in enumerate(have)]
    kept = list(want)
    for row, content in _paired(rows, want):
        kept.remove(content)
        kept.append(_with_hidden(row.content, content))
    return kept


def _with_hidden(have: Content, want: Content) -> Content:
    """The wanted content with what nobody can read of the other, where it says nothing of it itself."""
    hidden = {name: have.params[name] for name in have.unreadable - want.params.keys()}
    return replace(want, params={**want.params, **hidden})


def without_losses(have: Content, want: Content) -> Content:
    """The wanted content as far as a PATCH can make it: what it cannot take away stays."""
    left = {name: have.params[name] for name in lost(have, want) if name in have.params}
    base_model = want.base_model or have.base_model
    return replace(want, params={**want.params, **left}, base_model=base_model)


def operations(rows: Sequence[Row], wanted: Sequence[Content], words: Words) -> Operations:
    """Rows that are as wanted stay, rows that a PATCH can make so are patched, the others are replaced."""
    pairs = _paired(rows, wanted)
    paired = {row.id for row, _ in pairs}
    fixed = [(row, content, patch_of(row, content, words)) for row, content in pairs]
    replaced = [(row, content) for row, content, body in fixed if body is None]
    fresh = list(wanted)
    for _, content in pairs:
        fresh.remove(content)
    return Operations(
        creations=(*(Create(content, row) for row, content in replaced), *map(Create, fresh)),
        patches=tuple(Patch(row, body) for row, _, body in fixed if body),
        deletions=(*(row for row, _ in replaced), *(row for row in rows if row.id not in paired)),
    )


def _paired(rows: Sequence[Row], wanted: Sequence[Content]) -> list[tuple[Row, Content]]:
    """Each wanted content with the row that needs the least to become it; nearest pairs first.

    What nobody can read stays where it is, so it keeps no row from being near. Rows are told apart by what they hold
    before their ids: a plan, which knows no ids, has to come to the same pairs as the writing, or what it carries over
    goes to one row and another one is replaced.
    """
    left, open_rows = list(wanted), sorted(rows, key=lambda row: row.id)
    pairs: list[tuple[Row, Content]] = []
    while left and open_rows:
        row, content = min(
            ((row, content) for row in open_rows for content in left),
            key=lambda pair: (
                _distance(pair[0].content, _with_hidden(pair[0].content, pair[1])),
                pair[0].content.key,
                pair[1].key,
                pair[0].id,
            ),
        )
        pairs.append((row, content))
        open_rows.remove(row)
        left.remove(content)
    return pairs


def _distance(have: Content, want: Content) -> tuple[bool, bool, bool, int]:
    """Equal, then patchable, then of the same model, then the number of parameters that differ."""
    names = have.params.keys() | want.params.keys()
    moved = sum(1 for name in names if have.params.get(name) != want.params.get(name))
    return have != want, bool(lost(have, want)), have.model != want.model, moved


def lost(have: Content, want: Content) -> frozenset[str]:
    """What a PATCH cannot take away."""
    gone = (name for name in have.params.keys() - want.params.keys() if name not in CLEARED_BY_NULL)
    names = {name for name in gone if not isinstance(have.params[name], list)}
    return frozenset(names | ({BASE_MODEL} if have.base_model and not want.base_model else set()))


def patch_of(row: Row, content: Content, words: Words) -> dict[str, Any] | None:
    """The body of the PATCH, empty where nothing differs, None where no PATCH can do it."""
    have, mark = row.content, mark_of(content, words)
    if have == content and row.mark == mark:
        return {}
    if lost(have, content):
        return None
    body: dict[str, Any] = {}
    if params := _moved_params(have, content):
        body["litellm_params"] = params
    # Without the id the proxy stores a new one in it (observed on 1.106.2).
    body["model_info"] = {"id": row.id, MARK: mark} | (
        {BASE_MODEL: content.base_model} if content.base_model else {}
    )
    return body | ({BLOCKED: content.blocked} if have.blocked != content.blocked else {})


def _moved_params(have: Content, want: Content) -> dict[str, Any]:
    readable = {name: value for name, value in want.params.items() if name not in want.unreadable}
    moved = {name: value for name, value in readable.items() if have.params.get(name) != value}
    for name in have.params.keys() - want.params.keys():
        moved[name] = None if name in CLEARED_BY_NULL else []
    if have.model != want.model:
        moved["model"] = want.model
    for name, old, new in ((INPUT, have.input, want.input), (OUTPUT, have.output, want.output)):
        if old != new:
            moved[name] = None if new is None else per_token(new)
    return moved


def creation(
    name: str, new_id: str, content: Content, words: Words, foreign: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of POST /model/new. `foreign` are the keys of others in `model_info` of the row that it replaces.

    Raises ValueError for a content with something unreadable: a mask would be stored in the place of the secret.
    """
    if content.unreadable:
        raise ValueError(
            f"{', '.join(sorted(content.unreadable))} cannot be read, so it cannot be sent"
        )
    prices = {INPUT: content.input, OUTPUT: content.output}
    params = {"model": content.model, **content.params}
    params |= {key: per_token(value) for key, value in prices.items() if value is not None}
    info = {**foreign, "id": new_id, MARK: mark_of(content, words)}
    if content.base_model:
        info[BASE_MODEL] = content.base_model
    return {
        "model_name": name,
        "litellm_params": params,
        "model_info": info,
        BLOCKED: content.blocked,
    }


def ids_for(name: str) -> str:
    """What the ids of an alias's deployments start with; a number follows."""
    return f"{OUR_IDS}{hashlib.sha256(name.encode()).hexdigest()[:12]}-"
