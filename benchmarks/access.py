"""Effective access, matrix, lint and policies over 100,000 teams, as ratios to one plain pass over the same teams.

    python -m benchmarks.access [TEAMS]

The pass is a loop that looks at every team's groups once, timed in the same run: a ratio says how many such loops a
question costs, on any machine.
"""

import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from reconciler.core.access.rules import GroupRules, access
from reconciler.core.explain.explain import explain
from reconciler.core.explain.matrix import team_matrix
from reconciler.core.explain.routes import Asked
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Policy, PricingPlan, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.meaning.impact import Context, impact, transition_in
from reconciler.core.plan.resolve import Resolved, resolve
from reconciler.core.plan.support import Support, everything
from reconciler.core.rules.lint import RULES, lint
from reconciler.core.rules.lint.rule import Linted
from reconciler.core.rules.policies import violations
from reconciler.files.prices.loading import shipped_prices

NOW = datetime(2026, 6, 15, tzinfo=UTC)
KINDS = ("organization", "model_alias", "access_group", "team", "key")
GROUPS, ALIASES, PLANS = 300, 200, 20
POLICIES = {
    "dev": Policy(
        match="team.env == 'dev'", rule="model.price_output == null || model.price_output <= 1000"
    ),
    "paying": Policy(match="'g1' in via", rule="team.price_usd_per_month >= 0"),
    "ids": Policy(rule="team.id.startsWith('team-')"),
}


def world(teams: int) -> State:
    rng = random.Random(1)
    models = [
        name for name, price in shipped_prices().prices.items() if price.output and "/" not in name
    ][:ALIASES]
    found = {
        Ref("model_alias", name): ModelAlias(litellm_model=f"openai/{name}", description="d")
        for name in models
    }
    for n in range(GROUPS):
        members = frozenset(rng.sample(models, 12))
        found[Ref("access_group", f"g{n}")] = AccessGroup(model_aliases=members, description="d")
    for n in range(PLANS):
        groups = frozenset(f"g{rng.randrange(GROUPS)}" for _ in range(4))
        parent = f"p{n - 1}" if n % 4 else None
        found[Ref("pricing_plan", f"p{n}")] = PricingPlan(
            access_groups=groups, extends=parent, price_usd_per_month=n * 50
        )
    for n in range(teams):
        own = frozenset({f"g{rng.randrange(GROUPS)}"}) if n % 5 == 0 else frozenset()
        env = {"env": rng.choice(["prod", "dev"])}
        found[Ref("team", f"team-{n:06}")] = Team(
            plan=f"p{n % PLANS}", access_groups=own, labels=env
        )
    return State(found)


def timed(do: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        do()
        best = min(best, time.process_time() - start)
    return best


def plain_pass(state: State) -> int:
    return sum(len(team.access_groups) for team in state.of(Team).values())


def main() -> None:
    teams = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    written, prices, rules = world(teams), shipped_prices(), GroupRules()
    desired = resolve(written, NOW, prices)
    support = Support("benchmark", {kind: everything(kind) for kind in KINDS}, rules)
    policies = State(
        {**written.resources, **{Ref("policy", name): policy for name, policy in POLICIES.items()}}
    )
    asked = Asked(written, desired, NOW, live=desired.state, prices=prices)
    nothing = Context((), desired.state, desired.state, {}, support, prices)
    unit = timed(lambda: plain_pass(desired.state))
    print(f"{teams:,} teams, {GROUPS} groups, {ALIASES} aliases; one plain pass over the teams = 1")
    rows: list[tuple[str, Callable[[], object]]] = [
        ("access of all teams", lambda: access(State(desired.state.resources), rules)),
        (
            "impact of no changes",
            lambda: impact(nothing, transition_in(nothing)),
        ),
        ("matrix, folded", lambda: team_matrix(State(desired.state.resources), rules)),
        ("explain one pair", lambda: explain(asked, "team-000000", "gpt-4")),
        (f"lint, {len(RULES)} rules", lambda: lint(Linted(written, desired, NOW, prices))),
        (f"policies, {len(POLICIES)} of them", lambda: checked(policies, desired, prices)),
    ]
    for name, do in rows:
        took = timed(do)
        print(
            f"  {name:<24} {took / unit:>8.1f} x   ({took:.2f} s of CPU here, {teams / took:,.0f} teams a second)"
        )


def checked(written: State, desired: Resolved, prices: object) -> object:
    return violations(Asked(written, desired, NOW, prices=prices))  # type: ignore[arg-type]  # a PriceMap


if __name__ == "__main__":
    main()
