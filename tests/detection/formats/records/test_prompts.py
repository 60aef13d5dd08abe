"""LLM traffic as providers, proxies and tracing tools write it."""

import json

import pytest

from ..support import events, made_for

ASKED, SAID = "Where is my order?", "It is on its way."
TALK = [{"role": "user", "content": ASKED}]
ANSWER = {"role": "assistant", "content": SAID}
COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1793527200,
    "model": "m",
    "choices": [{"index": 0, "message": ANSWER}],
}
SHAPES = {
    "prompt and response": {"prompt": ASKED, "response": SAID, "model": "m"},
    "messages": {"messages": [*TALK, ANSWER]},
    "completion": COMPLETION,
    "batch input": {
        "custom_id": "r1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": TALK},
    },
    "batch output": {
        "id": "b1",
        "custom_id": "r1",
        "response": {"status_code": 200, "request_id": "q", "body": COMPLETION},
        "error": None,
    },
    "responses": {
        "id": "r",
        "object": "response",
        "created_at": 1793527200,
        "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID}]}
        ],
    },
    "Anthropic": {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": SAID}],
        "model": "m",
        "usage": {"input_tokens": 7},
    },
    "Anthropic's batch": {
        "custom_id": "r1",
        "result": {
            "type": "succeeded",
            "message": {"role": "assistant", "content": [{"type": "text", "text": SAID}]},
        },
    },
    "LangSmith with LangChain's messages": {
        "id": "r",
        "run_type": "llm",
        "inputs": {"messages": [[{"id": ["HumanMessage"], "kwargs": {"content": ASKED}}]]},
    },
    "Bedrock's Converse": {
        "schemaType": "ModelInvocationLog",
        "input": {"inputBodyJson": {"messages": [{"role": "user", "content": [{"text": ASKED}]}]}},
        "output": {"outputBodyJson": {"output": {"message": {"role": "assistant", "content": []}}}},
    },
    "OpenTelemetry": {"gen_ai.system": "m", "gen_ai.prompt": ASKED, "gen_ai.completion": SAID},
    "Helicone": {
        "request_body": {"messages": TALK},
        "response_body": {"choices": [{"message": ANSWER}]},
        "provider": "m",
    },
    "Gemini": {
        "candidates": [{"content": {"parts": [{"text": SAID}], "role": "model"}}],
        "usageMetadata": {},
    },
    "Ollama": {
        "model": "m",
        "created_at": "2026-11-01T10:00:00Z",
        "message": ANSWER,
        "response": SAID,
        "done": True,
    },
    "Bedrock": {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-11-01T10:00:00Z",
        "modelId": "m",
        "input": {"inputBodyJson": {"messages": TALK}},
        "output": {"outputBodyJson": {"content": [{"type": "text", "text": SAID}]}},
    },
    "ShareGPT": {
        "id": "1",
        "conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}],
    },
    "Langfuse": {
        "id": "1",
        "traceId": "1",
        "type": "GENERATION",
        "startTime": "2026-11-01T10:00:00Z",
        "input": TALK,
        "output": ANSWER,
        "level": "DEFAULT",
        "usage": {"input": 7},
    },
    "Langfuse's ingestion": {
        "id": "1",
        "timestamp": "2026-11-01T10:00:00Z",
        "type": "generation-create",
        "body": {"id": "2", "traceId": "1", "name": "chat", "input": TALK, "output": ANSWER},
    },
    "Langfuse's trace": {
        "id": "1",
        "timestamp": "2026-11-01T10:00:00Z",
        "name": "chat",
        "input": ASKED,
        "output": SAID,
        "sessionId": "s",
    },
    "LangSmith": {
        "id": "1",
        "run_type": "llm",
        "start_time": "2026-11-01T10:00:00Z",
        "inputs": {"messages": TALK},
        "outputs": {"generations": [{"text": SAID}]},
    },
    "LiteLLM": {
        "request_id": "1",
        "call_type": "acompletion",
        "model": "m",
        "startTime": "2026-11-01T10:00:00Z",
        "messages": TALK,
        "response": COMPLETION,
    },
}


@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES)
def test_what_was_said_is_the_message_and_nothing_else(value):
    event = events([value] * 3)[0]
    assert made_for([json.dumps(value).encode()]).kind == "llm"
    assert ASKED in event.message or SAID in event.message
    assert len(event.message) <= len(f"assistant: {ASKED} assistant: {SAID} response: {SAID}")


def test_instructions_that_stand_in_every_call_are_a_field():
    standing = {"role": "system", "content": "You are a shop's assistant. " * 20}
    event = events([{"messages": [standing, *TALK]}] * 3)[0]
    assert event.message == ASKED
    assert dict(event.fields)["messages.content.system"].startswith("You are a shop's assistant.")


def test_a_batch_is_its_calls():
    text = json.dumps({"object": "list", "data": [COMPLETION, {**COMPLETION, "id": "c2"}]})
    assert [dict(event.fields)["id"] for event in events(text)] == ["c1", "c2"]


def test_a_log_with_a_level_and_a_long_text_is_a_log():
    assert (
        made_for([json.dumps({"level": "info", "msg": "ready", "query": "x" * 300}).encode()]).kind == "logs"
    )
