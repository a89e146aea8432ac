#!/usr/bin/env python3
"""Renders the fixtures of the chat template tests with the original implementation.

    python3 -m venv venv && venv/bin/pip install transformers==5.23.0 jinja2==3.1.6
    venv/bin/python make_fixtures.py

Writes conversations.json, what apply_chat_template(tokenize=False) gives for each template of this folder, and
snippets.json, what transformers' own Jinja2 environment gives for each snippet of snippets.py. Where rendering fails,
"error" holds the message, and "raised" tells whether raise_exception() did it.
"""
import json
import pathlib
from datetime import datetime

import jinja2
import transformers
from tokenizers import Tokenizer, models
from transformers.utils import chat_template_utils

import conversations
import snippets

assert jinja2.__version__ == "3.1.6" and transformers.__version__ == "5.23.0", "the fixtures are pinned to these"
HERE = pathlib.Path(__file__).resolve().parent


class FixedClock(datetime):
    """Saturday, 4 July 2026, 09:05:07.000123."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 7, 4, 9, 5, 7, 123)


chat_template_utils.datetime = FixedClock


def outcome(render):
    try:
        return {"expected": render()}
    except Exception as error:  # whatever Python raises is an error of the template
        return {"error": str(error), "raised": type(error) is jinja2.exceptions.TemplateError}


def render_conversation(template, tokens, case):
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({})), **tokens)
    tokenizer.chat_template = template
    return tokenizer.apply_chat_template(
        case["messages"], tools=case.get("tools"), tokenize=False,
        add_generation_prompt=case.get("add_generation_prompt", True), **case.get("extra", {}))


def conversation_fixtures():
    fixtures = []
    for family, tokens in conversations.FAMILIES.items():
        template = (HERE / f"{family}.jinja").read_text(encoding="utf-8")
        for name, case in conversations.CASES.items():
            result = outcome(lambda: render_conversation(template, tokens, case))
            fixtures.append({"template": family, "case": name, **result})
    return {"special_tokens": conversations.FAMILIES, "cases": conversations.CASES, "fixtures": fixtures}


def snippet_fixtures():
    fixtures = []
    for entry in snippets.SNIPPETS:
        template, variables = entry if isinstance(entry, tuple) else (entry, {})
        variables = {**snippets.VARIABLES, **variables}

        def render():
            return chat_template_utils._compile_jinja_template(template).render(**variables)

        fixtures.append({"template": template, **({"variables": entry[1]} if isinstance(entry, tuple) else {}),
                         **outcome(render)})
    return {"variables": snippets.VARIABLES, "fixtures": fixtures}


def write(name, content):
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    (HERE / name).write_text(text, encoding="utf-8")
    fixtures = content["fixtures"]
    print(name, len(fixtures), "fixtures,", sum("error" in fixture for fixture in fixtures), "of them errors")


write("conversations.json", conversation_fixtures())
write("snippets.json", snippet_fixtures())
