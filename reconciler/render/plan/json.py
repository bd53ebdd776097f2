"""A plan as JSON for other programs: everything in it, in a stable order, by the published schema."""

import json
from typing import Any

from pydantic_core import PydanticSerializationError

from reconciler.core.model.printable import ascii_json, json_text
from reconciler.core.plan.plan import Plan
from reconciler.render.plan.report import Report, report
from reconciler.render.plan.view import PlanView

SCHEMA_ID = "urn:reconciler:plan-report:1"


def render(source: PlanView | Plan) -> str:
    """The report by `schemas/plan.schema.json`, ASCII and indented: equal plans give equal bytes."""
    plan = source.plan if isinstance(source, PlanView) else source
    found = report(plan)
    try:
        text = found.model_dump_json(indent=2)
    except PydanticSerializationError:
        # Half of a surrogate pair, as the name of a file that is no UTF-8 has: slower, and the same.
        return json_text(found.model_dump(mode="python", by_alias=True)) + "\n"
    return ascii_json(text) + "\n"


def plan_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `render` writes; `schemas/plan.schema.json` is this, committed."""
    schema = Report.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def schema_text() -> str:
    """The schema as its committed file reads."""
    return json.dumps(plan_schema(), indent=2, sort_keys=True) + "\n"
