"""lint: what is allowed but unwise. Every rule is a value with a code, a level, a reason and a hint."""

from collections.abc import Iterator, Mapping

from reconciler.core.model.findings import Finding, Level, ordered
from reconciler.core.rules.lint import groups as lint_groups
from reconciler.core.rules.lint import models as lint_models
from reconciler.core.rules.lint import plans as lint_plans
from reconciler.core.rules.lint import teams as lint_teams
from reconciler.core.rules.lint.rule import Linted, Rule

RULES: tuple[Rule, ...] = (
    lint_groups.unused_group,
    lint_groups.empty_group,
    lint_groups.dead_grant,
    lint_groups.near_duplicate_groups,
    lint_groups.group_equals_plan,
    lint_groups.group_name,
    lint_groups.odd_group_name,
    lint_plans.plan_without_teams,
    lint_plans.plan_gives_less,
    lint_plans.missing_description,
    lint_plans.team_without_plan,
    lint_models.unused_alias,
    lint_models.model_deprecation,
    lint_models.unknown_provider,
    lint_models.unknown_model,
    lint_models.sunset_without_replacement,
    lint_models.replacement_unreachable,
    lint_teams.dev_reaches_dear,
    lint_teams.team_reaches_everything,
    lint_teams.team_without_access,
    lint_teams.expired_grant,
    lint_teams.expiring_grant,
    lint_teams.redundant_group,
    lint_teams.suspended_team,
    lint_teams.secret_in_text,
)
BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}


def lint(
    world: Linted, levels: Mapping[str, Level] | None = None, rules: tuple[Rule, ...] = RULES
) -> tuple[Finding, ...]:
    """Every finding of every rule, with ref and path. `levels` are the settings': code -> level, `off` skips it."""
    given = levels or {}
    chosen = [(rule, given.get(rule.code, rule.level)) for rule in rules]
    return ordered(
        finding
        for rule, level in chosen
        if level is not Level.OFF
        for finding in _found(rule, level, world)
    )


def _found(rule: Rule, level: Level, world: Linted) -> Iterator[Finding]:
    for hit in rule.find(world):
        yield Finding(level, rule.code, hit.message, hit.hint or rule.hint, hit.ref, hit.path)
