"""Secrets of model aliases that only the proxy has: kept where nobody declares them, never lost unsaid. Pure.

Source: LiteLLM 1.106.2, proxy/management_endpoints/model_management_endpoints.py.
No read shows an api_key, not even whether there is one; other secrets
are masked. PATCH keeps both; a deployment that is created anew, or replaced to lose a parameter, has neither.
"""

from collections.abc import Iterator

from reconciler.core.model.findings import Finding, warning
from reconciler.core.model.inventory import Record
from reconciler.core.model.kinds import ModelAlias, Resource
from reconciler.core.model.refs import Ref
from reconciler.gateways.litellm.deployments import (
    Content,
    Row,
    contents_of,
    with_contents,
    words_of,
)
from reconciler.gateways.litellm.operations import UNREADABLE, carried, lost, operations

# Parameters by which a deployment says where its secret comes from, and those by which it needs none.
DECLARED = UNREADABLE | {"litellm_credential_name"}
SOURCES = DECLARED | {"mock_response", "aws_role_name", "aws_profile_name"}


def with_secrets(wish: ModelAlias, live: Resource | None, record: Record | None) -> ModelAlias:
    """The wish with what of the live deployments cannot be read, where it says anything of their parameters.

    To make one of several says something of them; a lone deployment's are all kept where none is declared.
    """
    applied = record.applied if record else {}
    speaks = bool({"litellm_params", "deployments"} & (wish.model_fields_set | applied.keys()))
    if not isinstance(live, ModelAlias) or not (speaks or live.deployments):
        return wish
    have = contents_of(live)
    if not any(content.unreadable for content in have):
        return wish
    return with_contents(wish, carried(have, contents_of(wish)))


def owes_secret(wish: ModelAlias) -> str | None:
    """What the creation of an alias would lack if its secret was only on the gateway; None where it says one."""
    if all(content.params.keys() & SOURCES for content in contents_of(wish)):
        return None
    return "api_key or litellm_credential_name"


def replacing(
    ref: Ref, before: Resource | None, after: ModelAlias, by_others: frozenset[str]
) -> Iterator[Finding]:
    """What cannot be taken away from a deployment because it could only be created anew, without its secrets.

    A warning: a parameter that somebody added by hand must not hold up what is declared of anything else.
    """
    if not isinstance(before, ModelAlias):
        return
    rows = [Row(str(index), ref.name, content) for index, content in enumerate(contents_of(before))]
    for each in operations(rows, contents_of(after), words_of(after)).creations:
        if each.instead_of is not None:
            yield from _replaced(ref, each.instead_of.content, each.content, by_others)


def _replaced(
    ref: Ref, have: Content, want: Content, by_others: frozenset[str]
) -> Iterator[Finding]:
    gone = ", ".join(sorted(lost(have, want)))
    if want.unreadable:
        names = ", ".join(sorted(want.unreadable))
        message = (
            f"{ref}: {gone} can only be taken away by replacing the deployment, and its {names} cannot be read to be "
            "carried over; apply changes the rest and fails for that"
        )
        yield warning(
            "cannot-read-secret",
            message,
            hint=f"declare {names} as os.environ/NAME, or keep {gone}",
            ref=ref,
        )
    elif ref.name in by_others and not want.params.keys() & DECLARED:
        message = (
            f"{ref}: {gone} can only be taken away by replacing the deployment; "
            "apply refuses if it has an api_key"
        )
        yield warning(
            "cannot-read-secret",
            message,
            hint=f"declare api_key as os.environ/NAME, or keep {gone}",
            ref=ref,
        )
