"""The shape of OpenAI batch output lines, as published in the API reference: types of every field that a client reads."""

NUMBER = (int, float)


def check(condition, what, value):
    if not condition:
        raise AssertionError(f"{what}: {value!r}")


def check_fields(value, fields, what):
    """`fields`: name to type, tuple of types, or a function that checks; every one must be there."""
    check(isinstance(value, dict), what, value)
    for name, kind in fields.items():
        check(name in value, f"{what} lacks {name}", value)
        if isinstance(kind, (type, tuple)):
            check(isinstance(value[name], kind), f"{what}.{name}", value[name])
        else:
            kind(value[name])


def none_or(kind):
    return (kind, type(None)) if isinstance(kind, type) else (*kind, type(None))


def check_token(value):
    check_fields(value, {"token": str, "logprob": NUMBER, "bytes": none_or(list)}, "token")


def check_chat_logprobs(value):
    if value is None:
        return
    for item in value["content"]:
        check_token(item)
        for other in item["top_logprobs"]:
            check_token(other)


def check_completion_logprobs(value):
    if value is None:
        return
    lengths = {len(value[name]) for name in ("tokens", "token_logprobs", "text_offset")}
    check(len(lengths) == 1, "logprobs of unequal length", value)


def check_finish(value):
    check(value in ("stop", "length"), "finish_reason", value)


def check_choice(choice, chat):
    if chat:
        check_fields(choice, {"index": int, "message": dict, "finish_reason": check_finish,
                              "logprobs": check_chat_logprobs}, "choice")
        check_fields(choice["message"], {"role": str, "content": str}, "message")
    else:
        check_fields(choice, {"index": int, "text": str, "finish_reason": check_finish,
                              "logprobs": check_completion_logprobs}, "choice")


def check_body(body):
    check_fields(body, {"id": str, "object": str, "created": int, "model": str, "choices": list, "usage": dict}, "body")
    check(body["object"] in ("chat.completion", "text_completion"), "object", body["object"])
    check(body["choices"], "no choices", body)
    for index, choice in enumerate(body["choices"]):
        check(choice["index"] == index, "index", choice)
        check_choice(choice, body["object"] == "chat.completion")
    usage = body["usage"]
    check_fields(usage, {"prompt_tokens": int, "completion_tokens": int, "total_tokens": int}, "usage")
    check(usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"], "usage", usage)


def check_result(row):
    """A line of the output file."""
    check_fields(row, {"id": str, "custom_id": str, "response": dict, "error": type(None)}, "row")
    check_fields(row["response"], {"status_code": int, "request_id": str, "body": check_body}, "response")
    check(row["response"]["status_code"] == 200, "status_code", row)


def check_error(row):
    """A line of the errors file."""
    check_fields(row, {"id": str, "custom_id": str, "response": type(None), "error": dict}, "row")
    check_fields(row["error"], {"code": str, "message": str}, "error")
