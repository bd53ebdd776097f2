"""Resources made without validation equal those that pydantic makes so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.model.construct import constructed
from reconciler.core.model.kinds import KINDS


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(data=st.data())
def test_a_constructed_resource_is_as_pydantic_would_make_it(kind, data):
    cls = KINDS[kind]
    chosen = data.draw(st.sets(st.sampled_from(sorted(cls.model_fields))))
    required = {name for name, field in cls.model_fields.items() if field.is_required()}
    values = {name: f"value of {name}" for name in chosen | required}
    theirs, ours = cls.model_construct(**values), constructed(cls, values)
    assert ours == theirs
    assert ours.model_fields_set == theirs.model_fields_set
    assert {name: getattr(ours, name) for name in cls.model_fields} == {
        name: getattr(theirs, name) for name in cls.model_fields
    }
    declared = set(list(values)[:1])
    assert constructed(cls, values, declared).model_fields_set == declared
    copied = ours.model_copy(update={"labels": {"a": "b"}})
    assert copied.labels == {"a": "b"} != theirs.labels
