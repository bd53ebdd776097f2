"""A whole response as the events of a stream, in the order in which OpenAI's API sends them."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

Event = dict[str, Any]


async def as_events(response: dict[str, Any]) -> AsyncIterator[Event]:
    """The events of a response that came whole though a stream was asked for: LiteLLM streams no mock of one."""
    begun = {**response, "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(response.get("output", ())):
        for event in _of_item(index, item):
            yield event
    yield {"type": "response.completed", "response": response}


def _of_item(index: int, item: dict[str, Any]) -> Iterator[Event]:
    place = {"output_index": index}
    yield {"type": "response.output_item.added", "item": {**item, "content": []}, **place}
    for number, part in enumerate(item.get("content") or ()):
        if part.get("type") == "output_text":
            yield from _of_text(
                part, {**place, "content_index": number, "item_id": item.get("id", "")}
            )
    yield {"type": "response.output_item.done", "item": item, **place}


def _of_text(part: dict[str, Any], place: dict[str, Any]) -> Iterator[Event]:
    yield {"type": "response.content_part.added", "part": {**part, "text": ""}, **place}
    yield {"type": "response.output_text.delta", "delta": part["text"], "logprobs": [], **place}
    yield {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **place}
    yield {"type": "response.content_part.done", "part": part, **place}
