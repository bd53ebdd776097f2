"""The bodies that the management API takes: closed to unknown fields, strict about types."""

import re
from typing import Annotated, Any, Literal, Self

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from reconciler.embedded.parameters import check_parameters

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"
_VIRTUAL_KEY = re.compile(r"sk-[A-Za-z0-9_-]{21,197}")
MAX_CREDITS = 2**53  # what every JSON reader holds exactly

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN, max_length=200)]
PathId = Annotated[str, Path(pattern=ID_PATTERN, max_length=200)]
Limit = Annotated[
    int | None, Query(ge=1, le=1_000_000, description="At most this many; everything by default.")
]
After = Annotated[
    str | None, Query(max_length=200, description="Cursor: the last id of the page before.")
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Text = Annotated[str, StringConstraints(max_length=2000)]
Model = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    Field(description="provider/model, as LiteLLM names it."),
]
Price = Annotated[
    float, Field(ge=0, le=1e9, allow_inf_nan=False, description="USD per million tokens.")
]
Credits = Annotated[int, Field(ge=0, le=MAX_CREDITS)]
Metadata = Annotated[dict[str, Any], Field(description="Free JSON.")]
Parameters = Annotated[
    dict[str, Any],
    AfterValidator(check_parameters),
    Field(
        description="Extra LiteLLM parameters, e.g. mock_response. Secrets only as os.environ/NAME."
    ),
]
AliasStatus = Literal["active", "inactive", "deprecated"]
Status = Literal["active", "suspended"]


def _distinct(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _usable_key(key: SecretStr) -> SecretStr:
    if not _VIRTUAL_KEY.fullmatch(key.get_secret_value()):
        raise ValueError("must start with sk- and be 24 to 200 letters, digits, _ and - in all")
    return key


VirtualKey = Annotated[
    SecretStr,
    AfterValidator(_usable_key),
    Field(
        description="A key of the caller's choice: long and random, sk-... By default the gateway makes one."
    ),
]
OperationId = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Ids = Annotated[list[Id], AfterValidator(_distinct)]
Tags = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], AfterValidator(_distinct)
]


class Body(BaseModel):
    """What every body is. A field that is left out stays as it is; null clears those that may be empty."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """The fields that the caller wrote."""
        return self.model_dump(exclude_unset=True)


class OrganizationCreate(Body):
    organization_id: Id
    name: Name
    metadata: Metadata | None = None


class OrganizationUpdate(Body):
    name: Name = Field(default="", validate_default=False)
    metadata: Metadata | None = None
    status: Annotated[
        Status,
        Field(description="On record only: to stop calls, suspend the organization's teams."),
    ] = "active"


class OrganizationRename(Body):
    organization_id: Annotated[Id, Field(description="The new id.")]


class _WithActive(Body):
    """`active` is the documented short form of a status."""

    active: Annotated[
        bool | None, Field(description="true is status active, false is status inactive.")
    ] = None
    status: AliasStatus = "active"

    @model_validator(mode="after")
    def _one_status(self) -> Self:
        if self.active is None:
            return self
        if "status" in self.model_fields_set and self.active != (self.status == "active"):
            raise ValueError("active and status contradict each other")
        if "status" not in self.model_fields_set:
            self.status = "active" if self.active else "inactive"
        return self

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True, exclude={"active"})


class ModelAliasCreate(_WithActive):
    alias: Id
    litellm_model: Model
    description: Text | None = None
    display_name: Text | None = None
    tags: Tags | None = None
    pricing_input: Price | None = None
    pricing_output: Price | None = None
    litellm_params: Parameters | None = None
    access_groups: Annotated[Ids, Field(description="Existing groups to join.")] = []


class ModelAliasUpdate(_WithActive):
    litellm_model: Model = ""
    description: Text | None = None
    display_name: Text | None = None
    tags: Tags | None = None
    pricing_input: Price | None = None
    pricing_output: Price | None = None
    litellm_params: Parameters | None = None


class ModelAliasRename(Body):
    alias: Annotated[Id, Field(description="The new name.")]


class AccessGroupCreate(Body):
    group_name: Id
    description: Text | None = None
    display_name: Text | None = None
    model_aliases: Ids = []


class AccessGroupUpdate(Body):
    description: Text | None = None
    display_name: Text | None = None
    model_aliases: Annotated[Ids, Field(description="The whole set.")] = []


class AccessGroupRename(Body):
    group_name: Annotated[Id, Field(description="The new name.")]


class GroupModels(Body):
    model_aliases: Ids


class TeamCreate(Body):
    organization_id: Id
    team_id: Id
    team_alias: Text | None = None
    access_groups: Ids = []
    credits_allocated: Credits = 0
    status: Status = "active"
    metadata: Metadata | None = None
    virtual_key: VirtualKey | None = None


class KeyRotation(Body):
    virtual_key: VirtualKey | None = None


class TeamUpdate(Body):
    organization_id: Id = ""
    team_alias: Text | None = None
    access_groups: Annotated[Ids, Field(description="The whole set.")] = []
    credits_allocated: Annotated[
        Credits, Field(description="Absolute: credits granted in all.")
    ] = 0
    status: Status = "active"
    metadata: Annotated[Metadata | None, Field(description="Replaces what was there.")] = None


OperationPrefix = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class OperationNames(Body):
    """How the ids of a team's operations begin, before and after: ids that hold the team's name follow it."""

    old: OperationPrefix
    new: OperationPrefix


class TeamRename(Body):
    team_id: Annotated[Id, Field(description="The new id.")]
    operation_ids: OperationNames | None = None


class CreditsAdd(Body):
    team_id: Id
    amount: Annotated[
        int,
        Field(
            ge=-MAX_CREDITS,
            le=MAX_CREDITS,
            description="Negative takes back; that needs an operation_id.",
        ),
    ]
    description: Text | None = None
    reason: Annotated[Text | None, Field(description="The same as description.")] = None
    operation_id: Annotated[
        OperationId | None,
        Field(description="Makes the grant safe to repeat: it takes effect once ever."),
    ] = None
    previous_operation_id: Annotated[
        OperationId | None,
        Field(
            description="Refused unless the team's newest operation is this one; null where it must have none."
        ),
    ] = None

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if self.amount == 0 or (self.amount < 0 and self.operation_id is None):
            raise ValueError("amount: must be at least 1 (an operation_id allows a negative one)")
        return self


class OperationsVoid(Body):
    operation_ids: Annotated[list[OperationId], Field(max_length=1000)]
