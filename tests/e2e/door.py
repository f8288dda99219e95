"""OpenAI's client for Python, as it is, at our door: door.py BASE_URL KEY KEY_WITHOUT_MONEY."""

import asyncio
import sys

import openai
from pydantic import BaseModel

BASE, KEY, POOR = sys.argv[1:]
QUESTION = {
    "model": "gpt-4",
    "messages": [{"role": "user", "content": "Hi from Python"}],
    "max_completion_tokens": 300,
}


class City(BaseModel):
    """What the model shall answer, and what it calls the tool with."""

    city: str


def client(key=KEY):
    return openai.OpenAI(api_key=key, base_url=BASE, timeout=20)


def answers(chat):
    whole = chat.create(**QUESTION)
    text = whole.choices[0].message.content
    usage = whole.usage
    assert usage.chitty["cost_nanos"] == usage.prompt_tokens * 30_000 + usage.completion_tokens * 60_000
    assert whole._request_id

    chunks = list(chat.create(**QUESTION, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert chunks[-1].usage == usage

    with chat.stream(**QUESTION) as stream:
        kinds = {event.type for event in stream}
        assert stream.get_final_completion().choices[0].message.content == text
    assert kinds == {"chunk", "content.delta", "content.done"}, kinds
    assert asyncio.run(later()) == text


def edges(chat):
    streamed = chat.with_raw_response.create(**QUESTION, stream=True)
    assert int(streamed.headers["x-ratelimit-limit-requests"]) > 0
    assert streamed.headers["x-request-id"]
    assert list(streamed.parse())
    known = openai.OpenAI(api_key=KEY, base_url=BASE, organization="org-x", project="proj-x", timeout=20)
    assert known.chat.completions.create(**QUESTION, extra_body={"verbosity": "low"}).id
    refused(openai.NotFoundError, "unknown_url", lambda: known.embeddings.create(model="gpt-4", input="x"))


async def later():
    chat = openai.AsyncOpenAI(api_key=KEY, base_url=BASE).chat.completions
    stream = await chat.create(**QUESTION, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def shapes(chat):
    parsed = chat.parse(**QUESTION, response_format=City)
    assert parsed.choices[0].message.parsed.city
    tool = openai.pydantic_function_tool(City, name="weather")
    with chat.stream(**QUESTION, tools=[tool], tool_choice="required") as stream:
        [call] = stream.get_final_completion().choices[0].message.tool_calls
    assert call.function.name == "weather" and call.function.parsed_arguments.city


def once(chat):
    keyed = {**QUESTION, "extra_headers": {"Idempotency-Key": "from-python"}}
    first, again = (chat.with_raw_response.create(**keyed) for _ in range(2))
    assert again.headers["idempotent-replayed"] == "true"
    assert again.parse() == first.parse()


def models(listed):
    owners = {model.id: model.owned_by for model in listed.list()}
    assert (owners["gpt-4"], owners["claude-sonnet-5"]) == ("openai", "anthropic")
    assert listed.retrieve("gpt-4").id == "gpt-4"


def refused(kind, code, ask):
    try:
        ask()
    except kind as error:
        assert error.code == code, error
        return
    raise AssertionError(f"no {kind.__name__}")


def refusals(chat):
    broken = [{"role": "user", "content": "[[fault:error-mid-stream after=5]]"}]
    refused(openai.BadRequestError, None, lambda: chat.create(**{**QUESTION, "messages": []}))
    refused(openai.NotFoundError, "model_not_found", lambda: chat.create(**{**QUESTION, "model": "gpt-none"}))
    refused(openai.AuthenticationError, "invalid_api_key", lambda: client("sk-nobodys").models.list())
    refused(openai.RateLimitError, "budget_exceeded", lambda: client(POOR).chat.completions.create(**QUESTION))
    refused(openai.APIError, None, lambda: list(chat.create(**{**QUESTION, "messages": broken, "stream": True})))


ours = client()
for step in (answers, shapes, edges, once, refusals):
    step(ours.chat.completions)
models(ours.models)
print(f"openai {openai.__version__}")
