"""What a group names though no manifest declares it: a LiteLLM Proxy may have it in its config.yaml, or serve it.

Rows of config.yaml can only be read, so they cannot be declared. A name may also be one that a wildcard deployment
serves, a pattern, or a legacy access group. All of that is known once the gateway was read.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from reconciler.core.model.findings import Finding, Level
from reconciler.core.model.kinds import AccessGroup, ModelAlias
from reconciler.core.model.refs import Ref

CODE = "declared-elsewhere"
UNSERVED = "nothing-serves"
HINT = "plan tells once it has read the gateway: it may have the model in its config.yaml, or serve it by a wildcard"


def put_off(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Dangling aliases of groups as warnings: for settings with a gateway that may serve what no manifest declares."""
    return tuple(_put_off(finding) if _alias_of(finding) else finding for finding in findings)


def _put_off(finding: Finding) -> Finding:
    hint = f"{finding.hint} {HINT}" if finding.hint else HINT
    return replace(finding, level=Level.WARNING, code=CODE, hint=hint, stands_for=finding)


def _alias_of(finding: Finding) -> bool:
    in_a_group = finding.ref is not None and finding.ref.kind == AccessGroup.kind
    in_its_list = finding.path[:1] == ("model_aliases",)
    return finding.code == "dangling-reference" and in_a_group and in_its_list


def decided(
    findings: Iterable[Finding], fixed: Collection[Ref], serves: Callable[[str], bool] | None = None
) -> tuple[Finding, ...]:
    """The findings after the read, which decides those that were put off:

    the gateway has the alias fixed, or serves the name     nothing to tell
    groups of this gateway hold aliases only                the error that it stands for
    groups may name anything                                a warning: it grants nothing

    `serves` is None where groups hold aliases only.
    """
    told: list[Finding] = []
    for finding in findings:
        if finding.stands_for is None:
            told.append(finding)
            continue
        name = str(finding.path[-1])
        if Ref(ModelAlias.kind, name) in fixed or (serves is not None and serves(name)):
            continue
        dangling = replace(finding.stands_for, origin=finding.origin)
        told.append(dangling if serves is None else _unserved(name, finding, dangling))
    return tuple(told)


def _unserved(name: str, finding: Finding, dangling: Finding) -> Finding:
    text = f"nothing on the gateway serves {name}, so this grants nothing"
    hint = f"{text}; {dangling.hint}" if dangling.hint else text
    return replace(finding, code=UNSERVED, hint=hint, stands_for=None)
