"""Questions about a loaded config, with or without its gateway: what explain, access, lint and policies start from."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.explain.routes import Asked
from reconciler.core.model.findings import Finding, ordered
from reconciler.core.rules.lint import BY_CODE, RULES, lint
from reconciler.core.rules.lint.rule import Hit, Linted, Rule
from reconciler.files.manifests import locate
from reconciler.gateways import backend_of
from reconciler.pipeline import Loaded, gateway_settings, known_of, opened, require_readable
from reconciler.pipeline.policies import finder, rules_of
from reconciler.system import plugins

if TYPE_CHECKING:
    from reconciler.core.model.state import State


def offline(loaded: Loaded, gateway: str | None = None) -> Asked:
    """Questions about the config alone. Raises ReconcilerError where it is invalid."""
    require_readable(loaded)
    _, settings = gateway_settings(loaded, gateway)
    return Asked(
        written=loaded.manifests.state,
        desired=loaded.desired,
        now=loaded.now,
        rules=rules_of(settings, loaded.prices),
        prices=loaded.prices,
        facts=backend_of(settings.backend).facts,
        find=finder(loaded.manifests),
    )


def caveat(loaded: Loaded, gateway: str | None = None) -> str | None:
    """What nobody can know of access without asking the gateway, in a sentence; None where everything is known."""
    _, settings = gateway_settings(loaded, gateway)
    return backend_of(settings.backend).caveat


async def online(loaded: Loaded, gateway: str | None = None) -> Asked:
    """Questions about the config and the gateway as it is now. Raises ReconcilerError where it cannot be read."""
    asked = offline(loaded, gateway)
    async with opened(loaded, gateway) as session:
        live = await session.gateway.read()
        known = known_of(session, live.fixed)
        rules = session.gateway.support.rules
        return replace(
            asked, live=live.state, runtime=live.runtime, inventory=known.inventory, rules=rules
        )


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
    world = Linted(
        asked.written,
        asked.desired,
        loaded.now,
        loaded.prices,
        loaded.settings.lint_limits,
        asked.rules,
    )
    return ordered(placed(loaded, lint(world, loaded.settings.lint, lint_rules())))


def lint_rules() -> tuple[Rule, ...]:
    """The rules of the product, then those of plug-ins. Raises PluginError where one cannot be loaded."""
    added = plugins.plugins(plugins.RULES, BY_CODE)
    return (*RULES, *(_plugged(plugin) for plugin in added.values()))


def usable_rules() -> tuple[Rule, ...]:
    """As `lint_rules`, without those of plug-ins that cannot be loaded: for what describes rules and runs none."""
    rules = list(RULES)
    for plugin in plugins.plugins(plugins.RULES, BY_CODE).values():
        with suppress(plugins.PluginError):
            rules.append(_plugged(plugin))
    return tuple(rules)


def _plugged(plugin: plugins.Plugin) -> Rule:
    """A rule of a plug-in under the name of its entry point; what it raises is an error of the plug-in."""
    rule = plugin.loaded(Rule)

    def find(world: Linted) -> Iterator[Hit]:
        try:
            yield from rule.find(world)
        except Exception as problem:
            raise plugins.failed(plugin, problem) from problem

    return replace(rule, code=plugin.name, find=find)
