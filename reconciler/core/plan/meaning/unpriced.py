"""Where a price that is not known decides something: it is said, for neither the map nor the config is complete."""

from collections.abc import Iterable, Iterator

from reconciler.core.model.findings import Finding, warning
from reconciler.core.model.kinds import AccessGroup, ModelAlias
from reconciler.core.model.prices import PriceMap, price_of
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.plan import Impact
from reconciler.core.plan.resolve import unpriced

CODE = "price-unknown"
HINT = "declare pricing_input and pricing_output of the alias"
EXAMPLES = 5


def unpriced_selections(written: State, prices: PriceMap) -> Iterator[Finding]:
    """A warning for each group that selects by price and leaves out what has none."""
    aliases = written.of(ModelAlias)
    for name, group in written.of(AccessGroup).items():
        left_out = unpriced(group.select, aliases, prices) if group.select else ()
        if left_out:
            says = (
                f"access group {name} selects by price and leaves out {_named(left_out)}: "
                f"no price is known{prices.note}"
            )
            yield warning(CODE, says, hint=HINT, ref=Ref(AccessGroup.kind, name), path=("select",))


def unpriced_changes(
    impact: Impact, live: State, desired: State, prices: PriceMap
) -> tuple[Finding, ...]:
    """One warning about the models that teams gain or lose and that no price is known of; none without a price map."""
    moved = {model for team in impact.teams for model in (*team.gained, *team.lost)}
    known = {**live.of(ModelAlias), **desired.of(ModelAlias)}
    unknown = [
        name
        for name in moved
        if price_of(known.get(name) or ModelAlias(litellm_model=name), prices)[1] is None
    ]
    if not unknown or not prices.prices:
        return ()
    says = f"no price is known of {_named(unknown)}{prices.note}: what is said of dear models is without them"
    return (warning(CODE, says, hint=HINT),)


def _named(models: Iterable[str]) -> str:
    names = sorted(models)
    more = f" and {len(names) - EXAMPLES:,} more" if len(names) > EXAMPLES else ""
    return f"{', '.join(names[:EXAMPLES])}{more}"
