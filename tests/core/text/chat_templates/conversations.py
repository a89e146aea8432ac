"""Special tokens of the template families, and the conversations that each of them renders."""

FAMILIES = {
    "apertus": {"bos_token": "<s>", "eos_token": "<|assistant_end|>"},
    "deepseek_r1_distill": {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
    "gemma_2": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "gemma_3": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "glm_4_6": {"eos_token": "<|endoftext|>"},
    "gpt_oss": {"bos_token": "<|startoftext|>", "eos_token": "<|return|>"},
    "granite_3_3": {"bos_token": "<|end_of_text|>", "eos_token": "<|end_of_text|>"},
    "llama_2": {"bos_token": "<s>", "eos_token": "</s>"},
    "llama_3_1": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "llama_3_2": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "mistral_nemo": {"bos_token": "<s>", "eos_token": "</s>"},
    "mistral_small_3_2": {"bos_token": "<s>", "eos_token": "</s>"},
    "phi_3_5": {"bos_token": "<s>", "eos_token": "<|endoftext|>"},
    "qwen_2_5": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen_3": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen_3_coder": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "smollm_3": {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a place — in °C or °F.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "Town & country, e.g. \"Zürich, CH\""},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "default": 1},
            },
            "required": ["place"],
        },
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds numbers.",
        "parameters": {"type": "object", "properties": {"values": {"type": "array", "items": {"type": "number"}}}},
    },
}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


def call(name, arguments, identifier="a1B2c3D4e"):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


ASKED = [user("How warm is it in Zürich?"),
         assistant("", tool_calls=[call("get_weather", {"place": "Zürich, CH", "unit": "celsius"})]),
         {"role": "tool", "name": "get_weather", "tool_call_id": "a1B2c3D4e", "content": "{\"celsius\": 21.5}"}]

CASES = {
    "one question": {"messages": [user("Hello, who are you?")]},
    "no generation prompt": {"messages": [user("Hello, who are you?")], "add_generation_prompt": False},
    "system": {"messages": [system("You are terse."), user("Name a prime.")]},
    "many turns": {"messages": [system("  You are\nterse. "), user("Name a prime."), assistant("Seven."),
                                user("Another?\n"), assistant(" Eleven. "), user("Thanks!")]},
    "ends with assistant": {"messages": [user("Count to three."), assistant("One, two")],
                            "add_generation_prompt": False},
    "assistant and a prompt": {"messages": [user("Count to three."), assistant("One, two")]},
    "unicode": {"messages": [system("Ты — помощник."), user("नमस्ते 👩🏽‍🚀 e\u0301 \u200d ﬁ\u00a0\u2028x 日本語?"),
                             assistant("ça va, \"ΣΑΣ\" \U0001f1e8\U0001f1ed"), user("<b>&amp;</b> \\n 'q'\t")]},
    "empty content": {"messages": [system(""), user(""), assistant(""), user("  \n")]},
    "null content": {"messages": [user("Hi"), {"role": "assistant", "content": None}, user("Are you there?")]},
    "thinking off": {"messages": [user("2 + 2?")], "extra": {"enable_thinking": False}},
    "thinking on": {"messages": [system("/think"), user("2 + 2?")],
                    "extra": {"enable_thinking": True, "thinking": True}},
    "reasoning kept": {"messages": [user("2 + 2?"), assistant("4", reasoning_content="\nTwo and two.\n"),
                                    user("and 3 + 3?"), assistant("<think>\nsix\n</think>\n\n6")],
                       "add_generation_prompt": False},
    "reasoning renamed": {"messages": [user("2 + 2?"), assistant("4", reasoning="Two and two.")],
                          "add_generation_prompt": False},
    "tools offered": {"messages": [user("How warm is it in Zürich?")], "tools": [WEATHER, ADD]},
    "tools and system": {"messages": [system("Use tools."), user("How warm is it?")], "tools": [WEATHER]},
    "tool called": {"messages": ASKED[:2], "tools": [WEATHER], "add_generation_prompt": False},
    "tool answered": {"messages": ASKED, "tools": [WEATHER]},
    "after a tool": {"messages": ASKED + [assistant("21.5 °C."), user("And tomorrow?")], "tools": [WEATHER, ADD]},
    "two calls": {"messages": [user("Add some."),
                               assistant("", tool_calls=[call("add", {"values": [1, 2.5, -3e-7]}, "111111111"),
                                                         call("add", {"values": []}, "222222222")]),
                               {"role": "tool", "name": "add", "tool_call_id": "111111111", "content": "3.4999997"},
                               {"role": "tool", "name": "add", "tool_call_id": "222222222", "content": "0"}],
                  "tools": [ADD]},
    "arguments as text": {"messages": [user("Add."), assistant("", tool_calls=[call("add", "{\"values\": [1]}")])],
                          "tools": [ADD], "add_generation_prompt": False},
    "no tools": {"messages": [user("Hi")], "tools": []},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "One. "},
                                                        {"type": "text", "text": "Two."}]}]},
    "an image": {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]},
    "two users": {"messages": [user("One"), user("Two")]},
    "assistant first": {"messages": [assistant("Hello."), user("Hi")]},
    "unknown role": {"messages": [{"role": "narrator", "content": "It rained."}, user("Really?")]},
    "late system": {"messages": [user("Hi"), assistant("Hello."), system("Be brief."), user("Why?")]},
    "no messages": {"messages": []},
    "developer": {"messages": [{"role": "developer", "content": "Rhyme."}, user("Go.")],
                  "extra": {"reasoning_effort": "high", "model_identity": "You are a poet."}},
    "given date": {"messages": [system("Today?"), user("What day is it?")], "extra": {"date_string": "1 Jan 2000"}},
}
