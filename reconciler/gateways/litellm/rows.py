"""The kinds that LiteLLM Proxy has, a row each; to add one, add its module's row here."""

from collections.abc import Mapping

from reconciler.gateways.litellm.aliases import ALIASES
from reconciler.gateways.litellm.groups import GROUPS
from reconciler.gateways.litellm.keys import KEYS
from reconciler.gateways.litellm.kind import Kind
from reconciler.gateways.litellm.organizations import ORGANIZATIONS
from reconciler.gateways.litellm.teams import TEAMS

KINDS: Mapping[str, Kind] = {
    row.cls.kind: row for row in (ALIASES, GROUPS, TEAMS, KEYS, ORGANIZATIONS)
}
