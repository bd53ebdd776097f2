"""Model aliases that a group names though no manifest declares them: a LiteLLM Proxy may have them in its config.yaml.

Such rows can only be read, so they cannot be declared; whether they are there is known once the gateway was read.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from reconciler.core.findings import Finding, Level
from reconciler.core.kinds import AccessGroup, ModelAlias
from reconciler.core.refs import Ref

CODE = "declared-elsewhere"
BACKEND = "litellm"
HINT = "plan tells once it has read the gateway: rows of its config.yaml may be named without being declared"


def put_off(findings: Iterable[Finding], backends: Collection[str]) -> tuple[Finding, ...]:
    """Dangling aliases of groups as warnings, where a gateway of the settings may have them in its config.yaml."""
    if BACKEND not in backends:
        return tuple(findings)
    return tuple(_put_off(finding) if _alias_of(finding) else finding for finding in findings)


def _put_off(finding: Finding) -> Finding:
    hint = f"{finding.hint} {HINT}" if finding.hint else HINT
    return replace(finding, level=Level.WARNING, code=CODE, hint=hint)


def _alias_of(finding: Finding) -> bool:
    in_a_group = finding.ref is not None and finding.ref.kind == AccessGroup.kind
    return finding.code == "dangling-reference" and in_a_group and finding.path[:1] == ("model_aliases",)


def decided(findings: Iterable[Finding], fixed: Collection[Ref]) -> tuple[Finding, ...]:
    """The findings after the read: nothing about aliases that the gateway has fixed, an error for the others."""
    return tuple(
        finding if finding.code != CODE else replace(finding, level=Level.ERROR, code="dangling-reference")
        for finding in findings
        if finding.code != CODE or Ref(ModelAlias.kind, str(finding.path[-1])) not in fixed
    )
