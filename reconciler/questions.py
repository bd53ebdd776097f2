"""Questions about a loaded config, with or without its gateway: what explain, access, lint and policies start from."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.access import AccessRules
from reconciler.core.findings import Finding, Origin, error, ordered
from reconciler.core.lint import lint
from reconciler.core.refs import Ref
from reconciler.core.routes import GROUPS, Asked, Facts, Path
from reconciler.core.rule import Linted
from reconciler.files.manifests import locate
from reconciler.pipeline import Loaded, gateway_settings, known_of, opened, require_valid

if TYPE_CHECKING:
    from reconciler.core.state import State

# What each backend does besides checking access. Sources: the embedded gateway's admission;
# contracts/saas-litellm.md sections 3.1 and 3.6: credits are not asked for, and LiteLLM keeps a copy of the models.
FACTS: Mapping[str, Facts] = {
    "embedded": Facts(credits=True),
    "saas-litellm": Facts(
        credits=False, providers=frozenset({"anthropic", "fireworks", "gemini", "openai"}), copies=True
    ),
    "litellm": Facts(),
}


def rules_offline(loaded: Loaded, gateway: str | None = None) -> AccessRules:
    """The rules of access of the chosen gateway's backend, without connecting to it."""
    _, settings = gateway_settings(loaded, gateway)
    if settings.backend != "litellm":
        return GROUPS
    return GROUPS


def finder(loaded: Loaded) -> Callable[[Ref, Path], Origin | None]:
    """A function from a place in a resource to its place in the files."""

    def find(ref: Ref, path: Path) -> Origin | None:
        return locate(loaded.manifests, error("", "", ref=ref, path=path)).origin

    return find


def offline(loaded: Loaded, gateway: str | None = None) -> Asked:
    """Questions about the config alone. Raises ReconcilerError where it is invalid."""
    require_valid(loaded)
    _, settings = gateway_settings(loaded, gateway)
    return Asked(
        written=loaded.manifests.state,
        desired=loaded.desired,
        now=loaded.now,
        rules=rules_offline(loaded, gateway),
        prices=loaded.prices,
        facts=FACTS[settings.backend],
        find=finder(loaded),
    )


async def online(loaded: Loaded, gateway: str | None = None) -> Asked:
    """Questions about the config and the gateway as it is now. Raises ReconcilerError where it cannot be read."""
    asked = offline(loaded, gateway)
    async with opened(loaded, gateway) as session:
        live = await session.gateway.read()
        known = known_of(session, live)
        rules = session.gateway.support.rules
        return replace(asked, live=live.state, runtime=live.runtime, inventory=known.inventory, rules=rules)


def live_state(asked: Asked) -> "State":
    """The gateway's state. Raises ValueError where it was not asked."""
    if asked.live is None:
        raise ValueError("the gateway was not read")
    return asked.live


def placed(loaded: Loaded, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings with their places in the files."""
    return tuple(locate(loaded.manifests, finding) for finding in findings)


def linted(loaded: Loaded, gateway: str | None = None) -> tuple[Finding, ...]:
    """The findings of every lint rule at the levels of the settings, with their places, sorted."""
    asked = offline(loaded, gateway)
    world = Linted(asked.written, asked.desired, loaded.now, loaded.prices, loaded.settings.lint_limits, asked.rules)
    return ordered(placed(loaded, lint(world, loaded.settings.lint)))
