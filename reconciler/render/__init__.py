"""Everything people (and their tools) read: one PlanView, many formats."""

from collections.abc import Mapping
from typing import Protocol

from reconciler.render.plan.view import PlanView, plan_view

__all__ = ["FORMATS", "Format", "PlanView", "plan_view"]


class Format(Protocol):
    """Sets a view in type. `color` and `width` (in cells) concern formats for terminals; the others ignore them."""

    def __call__(self, view: PlanView, *, color: bool = False, width: int | None = None) -> str: ...


def _text(view: PlanView, *, color: bool = False, width: int | None = None) -> str:
    from reconciler.render.plan.text import render  # noqa: PLC0415  # a format is loaded when it is asked for

    return render(view, color=color, width=width)


def _json(view: PlanView, *, color: bool = False, width: int | None = None) -> str:  # noqa: ARG001  # no terminal
    from reconciler.render.plan.json import render  # noqa: PLC0415  # as above

    return render(view)


def _markdown(view: PlanView, *, color: bool = False, width: int | None = None) -> str:  # noqa: ARG001  # no terminal
    from reconciler.render.plan.markdown import render  # noqa: PLC0415  # as above

    return render(view)


def _html(view: PlanView, *, color: bool = False, width: int | None = None) -> str:  # noqa: ARG001  # no terminal
    from reconciler.render.plan.html import render  # noqa: PLC0415  # as above

    return render(view)


FORMATS: Mapping[str, Format] = {"text": _text, "json": _json, "markdown": _markdown, "html": _html}
