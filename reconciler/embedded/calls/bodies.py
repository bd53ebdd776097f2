"""What a team may ask for under /v1: OpenAI's requests, closed to what could redirect a call or reach credentials."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

# What only tells a provider about the caller or the bill: dropped where a model's provider does not know it.
HINTS = frozenset(
    {
        *(
            "metadata",
            "prompt_cache_key",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
        ),
        *("user", "verbosity"),
    }
)
Alias = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class CallBody(BaseModel):
    """A request of OpenAI's; `model` is one of the team's aliases."""

    model_config = ConfigDict(extra="allow", strict=True)
    parameters: ClassVar[frozenset[str]] = HINTS

    model: Alias
    stream: bool = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := sorted((self.model_extra or {}).keys() - self.parameters):
            raise ValueError(f"{unknown[0]}: unknown field")
        return self

    def sent(self) -> dict[str, Any]:
        """What goes on to LiteLLM. A parameter that is null is as good as left out, as in OpenAI's API."""
        left_out = {"model"} if self.stream else {"model", "stream"}
        return self.model_dump(exclude=left_out, exclude_unset=True, exclude_none=True)


class ChatRequest(CallBody):
    """A chat completion: https://platform.openai.com/docs/api-reference/chat/create."""

    parameters = HINTS | {
        *("audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs"),
        *(
            "max_completion_tokens",
            "max_tokens",
            "modalities",
            "n",
            "parallel_tool_calls",
            "prediction",
        ),
        *(
            "presence_penalty",
            "reasoning_effort",
            "response_format",
            "seed",
            "stop",
            "stream_options",
        ),
        *("temperature", "tool_choice", "tools", "top_logprobs", "top_p", "web_search_options"),
    }

    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]


class EmbeddingRequest(CallBody):
    """Embeddings: https://platform.openai.com/docs/api-reference/embeddings/create."""

    parameters = frozenset({"dimensions", "encoding_format", "user"})

    input: str | list[str] | list[int] | list[list[int]]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.stream:
            raise ValueError("stream: embeddings come whole")
        return self


class ResponseRequest(CallBody):
    """A response: https://platform.openai.com/docs/api-reference/responses/create."""

    parameters = HINTS | {
        *("include", "instructions", "max_output_tokens", "max_tool_calls", "parallel_tool_calls"),
        *("previous_response_id", "prompt", "reasoning", "stream_options", "temperature", "text"),
        *("tool_choice", "tools", "top_logprobs", "top_p", "truncation"),
    }

    input: str | Annotated[list[dict[str, Any]], Field(min_length=1)]
