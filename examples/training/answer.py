"""Answers a request file with Hugging Face's LlamaForCausalLM, greedily: the reference for score.py.

Usage: python answer.py MODEL_FOLDER REQUESTS.jsonl RESULTS.jsonl [float32]

Runs in BF16 unless float32 is asked for. Needs the package transformers.
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM


@torch.no_grad()
def generate(model, tokenizer: Tokenizer, request: dict) -> str:
    """Up to `max_tokens` tokens; the text ends before the first stop text or the end mark."""
    inputs, cache, new = torch.tensor([tokenizer.encode(request["prompt"]).ids]), None, []
    text = ""
    for _ in range(request["max_tokens"]):
        out = model(inputs, past_key_values=cache, use_cache=True)
        cache, token = out.past_key_values, out.logits[0, -1].argmax().item()
        if token == model.config.eos_token_id:
            break
        new.append(token)
        text = tokenizer.decode(new)
        cuts = [text.index(stop) for stop in request["stop"] if stop in text]
        if cuts:
            return text[:min(cuts)]
        inputs = torch.tensor([[token]])
    return text


def main() -> None:
    folder, requests, results = (Path(a) for a in sys.argv[1:4])
    dtype = torch.float32 if sys.argv[4:] == ["float32"] else torch.bfloat16
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=dtype).eval()
    with results.open("w") as out:
        for line in requests.read_text().splitlines():
            request = json.loads(line)
            row = {"custom_id": request["custom_id"], "text": generate(model, tokenizer, request)}
            out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
