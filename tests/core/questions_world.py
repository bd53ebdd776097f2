"""Worlds for questions: sections as in a manifest, resolved at a fixed day."""

from datetime import UTC, date, datetime

from reconciler.core.explain.routes import Asked
from reconciler.core.model.kinds import SECTIONS
from reconciler.core.model.prices import Price, PriceMap
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import resolve

NOW = datetime(2026, 6, 15, tzinfo=UTC)
PRICES = PriceMap(
    {
        "gpt-4": Price("openai", 30, 60),
        "gpt-3.5-turbo": Price("openai", 0.5, 1.5, date(2026, 8, 1)),
        "gpt-old": Price("openai", 1, 1, date(2026, 1, 1)),
        "gpt-new": Price("openai", 1, 1, date(2030, 1, 1)),
        "claude-3-opus": Price("anthropic", 15, 75),
    },
    frozenset({"openai", "anthropic", "vertex_ai-language-models"}),
)


def state(**sections) -> State:
    return State(
        {
            Ref(SECTIONS[section].kind, name): SECTIONS[section].model_validate(spec)
            for section, specs in sections.items()
            for name, spec in specs.items()
        }
    )


def asked(live: State | None = None, now: datetime = NOW, **rest) -> Asked:
    """`Asked` for sections; keywords that are no section go to Asked itself."""
    sections = {name: rest.pop(name) for name in list(rest) if name in SECTIONS}
    written = state(**sections)
    return Asked(written, resolve(written, now, PRICES), now, live=live, prices=PRICES, **rest)


ALIASES = {
    "gpt-4": {"litellm_model": "openai/gpt-4", "description": "d"},
    "gpt-3.5-turbo": {"litellm_model": "openai/gpt-3.5-turbo", "description": "d"},
    "claude-3-opus": {"litellm_model": "anthropic/claude-3-opus", "description": "d"},
}
