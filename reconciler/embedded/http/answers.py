"""The answers of the management API, for its OpenAPI description; times are UTC, like 2024-10-14T12:00:00Z."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class Stamped(BaseModel):
    created_at: str = Field(examples=["2024-10-14T12:00:00Z"])
    updated_at: str
    generation: int = Field(
        description="How often a management write has changed it, from 1; the ETag as well."
    )


class OrganizationAnswer(Stamped):
    organization_id: str
    name: str
    metadata: dict[str, Any]
    status: str
    team_count: int
    total_credits_allocated: int


class OrganizationList(BaseModel):
    organizations: list[OrganizationAnswer]


class ModelAliasAnswer(Stamped):
    alias: str
    litellm_model: str
    description: str | None
    display_name: str | None
    status: str
    active: bool
    tags: list[str]
    pricing_input: float | None
    pricing_output: float | None
    litellm_params: dict[str, Any]
    access_groups: list[str]


class ModelAliasList(BaseModel):
    model_aliases: list[ModelAliasAnswer]


class AccessGroupAnswer(Stamped):
    group_name: str
    description: str | None
    display_name: str | None
    model_aliases: list[str]


class AccessGroupRow(BaseModel):
    group_name: str
    description: str | None
    display_name: str | None
    model_count: int
    team_count: int
    generation: int
    model_aliases: list[str] | None = Field(None, description="Only with include=model_aliases.")


class AccessGroupList(BaseModel):
    access_groups: list[AccessGroupRow]


class GroupModel(BaseModel):
    alias: str
    litellm_model: str
    description: str | None


class AccessGroupDetail(Stamped):
    group_name: str
    description: str | None
    display_name: str | None
    model_aliases: list[GroupModel]
    teams_with_access: list[str]


class TeamAnswer(Stamped):
    team_id: str
    organization_id: str
    team_alias: str | None
    status: str
    access_groups: list[str]
    credits_allocated: int
    credits_used: int
    credits_remaining: int
    metadata: dict[str, Any]


class TeamDetail(TeamAnswer):
    allowed_model_aliases: list[str] = Field(description="The active aliases in any of its groups.")


class TeamWithKey(TeamDetail):
    virtual_key: str = Field(
        description="Shown only this once: the gateway keeps a hash. Not in a replayed answer."
    )


class TeamRow(TeamAnswer):
    allowed_model_aliases: list[str] | None = Field(
        None, description="Only with include=allowed_model_aliases."
    )


class TeamList(BaseModel):
    teams: list[TeamRow]


class OrganizationTeams(BaseModel):
    organization_id: str
    team_count: int
    teams: list[TeamAnswer]


class CreditsAdded(BaseModel):
    team_id: str
    credits_added: int
    credits_allocated: int
    credits_remaining: int
    transaction_id: str
    operation_id: str | None
    duplicate: bool = Field(
        description="The operation had been granted before: nothing has changed."
    )


class Balance(BaseModel):
    team_id: str
    credits_allocated: int
    credits_used: int
    credits_remaining: int
    percentage_used: float
    status: str


class Transaction(BaseModel):
    transaction_id: str
    team_id: str
    type: str = Field(description="addition, allocation, deduction or refund.")
    amount: int
    description: str | None
    operation_id: str | None
    timestamp: str
    balance_before: int
    balance_after: int
    credits_allocated_before: int
    credits_allocated_after: int


class Transactions(BaseModel):
    team_id: str | None
    transactions: list[Transaction]
    next: str | None = Field(description="The cursor of the page after; null where there is none.")


class GatewayAnswer(BaseModel):
    gateway_id: str = Field(
        description="Made with the database, and the same wherever it is served."
    )


class Operations(BaseModel):
    operations: dict[str, Literal["done", "void"]]


class Deleted(BaseModel):
    message: str


class GroupDeleted(Deleted):
    group_name: str
    removed_from_teams: list[str]


class AliasDeleted(Deleted):
    alias: str
    removed_from_groups: list[str]
