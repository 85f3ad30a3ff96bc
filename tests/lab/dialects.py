"""How the three vendors' APIs write a conversation: what was asked is read, and an answer is a list of events.

Each dialect has `read` (a request), `call` and `say` (an answer's events), `stream` (them as server-sent events) and
`whole` (them as one JSON value).
"""

import json
from dataclasses import dataclass

MODEL = "gpt-lab"
MODELS = {
    "object": "list",
    "data": [{"id": MODEL, "object": "model", "type": "model", "display_name": MODEL, "created": 1, "owned_by": "lab"}],
}


@dataclass
class Asked:
    """A request: the names of the tools offered, the results sent so far as (call id, text), and how to answer."""

    tools: list
    results: list
    stream: bool


def of(path):
    """The dialect that a path belongs to."""
    path = path.split("?")[0]
    if path.endswith("/messages"):
        return Anthropic
    if path.endswith("/responses"):
        return Responses
    if path.endswith("/chat/completions"):
        return Chat
    if path.endswith((":generateContent", ":streamGenerateContent")):
        return Gemini
    return None


def plain(content):
    """The text of a content that is a string or a list of parts."""
    if isinstance(content, str):
        return content
    return "\n".join(part if isinstance(part, str) else part.get("text", "") for part in content or [])


def sse(events, named=True):
    name = (lambda event: f"event: {event['type']}\n") if named else (lambda _: "")
    return "".join(f"{name(event)}data: {json.dumps(event)}\n\n" for event in events)


class Anthropic:
    @staticmethod
    def read(body, _path):
        if not body["max_tokens"] or body["messages"][0]["role"] != "user":
            raise ValueError("no max_tokens, or not the user begins")
        parts = [part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]]
        results = [part for part in parts if part["type"] == "tool_result"]
        tools = [tool["name"] for tool in body.get("tools", [])]
        read = [(part["tool_use_id"], plain(part.get("content"))) for part in results]
        return Asked(tools, read, body.get("stream", False))

    @staticmethod
    def message(block, deltas, stop):
        usage = {"input_tokens": 10, "output_tokens": 1}
        start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-lab", "content": []}
        return [
            {"type": "message_start", "message": {**start, "stop_reason": None, "stop_sequence": None, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": deltas},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]

    @classmethod
    def call(cls, call, tool, arguments):
        block = {"type": "tool_use", "id": call, "name": tool, "input": {}}
        return cls.message(block, {"type": "input_json_delta", "partial_json": json.dumps(arguments)}, "tool_use")

    @classmethod
    def say(cls, text):
        return cls.message({"type": "text", "text": ""}, {"type": "text_delta", "text": text}, "end_turn")

    stream = staticmethod(sse)

    @staticmethod
    def whole(events):
        block, delta = dict(events[1]["content_block"]), events[2]["delta"]
        if block["type"] == "text":
            block["text"] = delta["text"]
        else:
            block["input"] = json.loads(delta["partial_json"])
        stop = events[4]["delta"]
        return {**events[0]["message"], "content": [block], **stop}


class Responses:
    """A tool of a namespace is named NAMESPACE/NAME here."""

    @staticmethod
    def read(body, _path):
        items = body["input"] if isinstance(body["input"], list) else []
        outputs = [item for item in items if item.get("type") == "function_call_output"]
        tools = []
        for tool in body.get("tools", []):
            if tool["type"] == "namespace":
                tools += [f"{tool['name']}/{one['name']}" for one in tool["tools"]]
            elif "name" in tool:
                tools.append(tool["name"])
        read = [(item["call_id"], plain(item["output"])) for item in outputs]
        return Asked(tools, read, body.get("stream", False))

    @staticmethod
    def response(item):
        base = {"id": "resp_1", "object": "response", "created_at": 1, "model": MODEL, "output": []}
        usage = {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 11,
        }
        return [
            {"type": "response.created", "sequence_number": 0, "response": {**base, "status": "in_progress"}},
            {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item},
            {"type": "response.output_item.done", "sequence_number": 2, "output_index": 0, "item": item},
            {
                "type": "response.completed",
                "sequence_number": 3,
                "response": {**base, "status": "completed", "output": [item], "usage": usage},
            },
        ]

    @classmethod
    def call(cls, call, tool, arguments):
        *namespace, name = tool.split("/")
        item = {"type": "function_call", "id": "fc_" + call, "call_id": call, "name": name, "status": "completed"}
        item |= {"namespace": namespace[0]} if namespace else {}
        return cls.response({**item, "arguments": json.dumps(arguments)})

    @classmethod
    def say(cls, text):
        content = [{"type": "output_text", "text": text, "annotations": []}]
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
        return cls.response(item)

    stream = staticmethod(sse)

    @staticmethod
    def whole(events):
        return events[-1]["response"]


class Chat:
    @staticmethod
    def read(body, _path):
        # What has no "function" is a vendor's own kind of tool.
        tools = [tool["function"]["name"] for tool in body.get("tools") or [] if "function" in tool]
        results = [message for message in body["messages"] if message["role"] == "tool"]
        read = [(message["tool_call_id"], plain(message["content"])) for message in results]
        return Asked(tools, read, body.get("stream", False))

    @staticmethod
    def chunks(delta, finish):
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
        choice = lambda delta, finish: {"index": 0, "delta": delta, "finish_reason": finish}
        usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
        return [
            {**base, "choices": [choice({"role": "assistant", "content": "", **delta}, None)]},
            {**base, "choices": [choice({}, finish)], "usage": usage},
        ]

    @classmethod
    def call(cls, call, tool, arguments):
        function = {"name": tool, "arguments": json.dumps(arguments)}
        return cls.chunks({"tool_calls": [{"index": 0, "id": call, "type": "function", "function": function}]}, "tool_calls")

    @classmethod
    def say(cls, text):
        return cls.chunks({"content": text}, "stop")

    @staticmethod
    def stream(events):
        return sse(events, named=False) + "data: [DONE]\n\n"

    @staticmethod
    def whole(events):
        message = dict(events[0]["choices"][0]["delta"])
        finish = events[1]["choices"][0]["finish_reason"]
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {**events[1], "object": "chat.completion", "choices": [choice]}


class Gemini:
    @staticmethod
    def read(body, path):
        groups = [group.get("functionDeclarations", []) for group in body.get("tools", [])]
        tools = [one["name"] for group in groups for one in group]
        parts = [part for content in body["contents"] for part in content["parts"]]
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        read = [(answer.get("id"), json.dumps(answer["response"])) for answer in answers]
        return Asked(tools, read, ":streamGenerateContent" in path)

    @staticmethod
    def answer(part):
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 1, "totalTokenCount": 11}
        candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
        return [{"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-lab", "responseId": "r1"}]

    @classmethod
    def call(cls, call, tool, arguments):
        return cls.answer({"functionCall": {"id": call, "name": tool, "args": arguments}})

    @classmethod
    def say(cls, text):
        return cls.answer({"text": text})

    @staticmethod
    def stream(events):
        return sse(events, named=False)

    @staticmethod
    def whole(events):
        return events[0]
