"""A plan as JSON for other programs: everything in it, in a stable order, by the published schema."""

import json
from typing import Any

from reconciler.core.plan import Plan
from reconciler.render.report import Report, report
from reconciler.render.view import PlanView

SCHEMA_ID = "urn:reconciler:plan-report:1"


def render(source: PlanView | Plan) -> str:
    """The report by `schemas/plan.schema.json`, UTF-8 and indented: equal plans give equal bytes."""
    plan = source.plan if isinstance(source, PlanView) else source
    return report(plan).model_dump_json(indent=2) + "\n"


def plan_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `render` writes; `schemas/plan.schema.json` is this, committed."""
    schema = Report.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def schema_text() -> str:
    """The schema as its committed file reads."""
    return json.dumps(plan_schema(), indent=2, sort_keys=True) + "\n"
