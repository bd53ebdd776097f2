"""What no kind may send to LiteLLM Proxy, because it would take it for something else."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.model.findings import Finding, error
from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.gateways.litellm.deployments import MARK
from reconciler.gateways.litellm.team_codec import SERVER_METADATA

# A pattern is a regex of which only the star is translated; these characters mean themselves in it, or any one (`.`).
_PATTERN = re.compile(r"[A-Za-z0-9._/:*-]+\Z")


def wildcards(ref: Ref, names: Iterable[str]) -> Iterator[Finding]:
    for name in names:
        if "*" in name and not _PATTERN.match(name):
            message = f"{ref}: {name!r} is read as a regular expression, and a broken one fails every call of a team"
            yield error(
                "invalid-wildcard",
                message,
                hint="use letters, digits and . _ / : - beside the star",
                ref=ref,
            )


def reserved(ref: Ref, metadata: Mapping[str, Any] | None) -> Iterator[Finding]:
    taken = sorted(name for name in metadata or {} if name == MARK or name in SERVER_METADATA)
    if taken:
        yield error(
            "reserved-metadata",
            f"{ref}: LiteLLM keeps {', '.join(taken)} in metadata itself",
            hint="use another name",
            ref=ref,
        )


def with_values(resource: Resource, **values: Any) -> Resource:
    """The resource with values that differ replaced; which fields were declared stays as it was."""
    if all(getattr(resource, name) == value for name, value in values.items()):
        return resource
    everything = {name: getattr(resource, name) for name in type(resource).model_fields} | values
    return type(resource).model_construct(set(resource.model_fields_set), **everything)
