"""What every write to LiteLLM Proxy needs: the connection, the ids it gave out, and refusals in common words.

Source: LiteLLM 1.106.2, observed with two replicas.
The API has no concurrency control: each object is read right before it is
written, and what another hand changed in it since the plan is refused instead of overwritten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import GatewayError
from reconciler.gateways.endpoints import Body
from reconciler.gateways.http import Http
from reconciler.gateways.litellm.team_codec import TeamCodec

BAD_REQUEST, NOT_FOUND, CONFLICT = 400, 404, 409


@dataclass
class Desk:
    """A connection and what is known beside the state. `groups`: access group -> id; the API gives ids out itself."""

    http: Http
    organizations: bool = False
    usd_per_credit: float | None = None
    groups: dict[str, str] = field(default_factory=dict)

    @property
    def codec(self) -> TeamCodec:
        return TeamCodec(dict(self.groups), self.organizations, self.usd_per_credit)

    def know(self, groups: Sequence[Body]) -> None:
        """Remember the ids of all groups there are."""
        self.groups.clear()
        self.groups.update({str(g["access_group_name"]): str(g["access_group_id"]) for g in groups})


def segment(name: str) -> str:
    """A name as one segment of a path, whatever is in it."""
    return quote(name, safe="")


def exists(ref: Ref, where: str = "") -> GatewayError:
    return GatewayError(
        f"{ref} already exists{where}",
        hint="plan again: it may have to be adopted",
        status=CONFLICT,
    )


def gone(ref: Ref) -> GatewayError:
    message = f"{ref} no longer exists on the gateway ({NOT_FOUND})"
    return GatewayError(message, hint="plan again, then apply", status=NOT_FOUND)


def unmoved(
    ref: Ref, names: Sequence[str], before: Resource, after: Resource, found: Resource
) -> None:
    """Raises GatewayError where one of the fields is neither as it was planned from nor as it should become."""
    for name in names:
        now, old, new = (getattr(each, name) for each in (found, before, after))
        if now not in (old, new):
            said = (
                ", ".join(sorted(map(str, now))) if isinstance(now, (frozenset, Mapping)) else now
            )
            message = f"{ref} moved since the plan: its {name} are now {said or 'none'}"
            raise GatewayError(message, hint="plan again, then apply")
