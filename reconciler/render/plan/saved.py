"""What a plan file holds: the plan as the JSON format has it, and what apply checks."""

from datetime import datetime
from typing import Any

from reconciler import __version__
from reconciler.core.model.state import State
from reconciler.core.plan.make import fingerprints
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.saved import content_of
from reconciler.render.plan.report import report


def plan_file_content(plan: Plan, live: State, now: datetime) -> dict[str, Any]:
    """The content of a plan file for `files.plan_file.write_plan_file`; every live object has its fingerprint."""
    seen = fingerprints(live, live)
    created = now.isoformat(timespec="seconds")
    return content_of(
        plan, report(plan).model_dump(mode="json"), seen, created=created, tool_version=__version__
    )
