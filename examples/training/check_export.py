"""Compares an exported folder in Hugging Face's LlamaForCausalLM with the training model, both in float32.

Usage: python check_export.py CHECKPOINT.pt MODEL_FOLDER

Both run on the weights rounded to BF16, over one scene of about 600 tokens. Prints the largest
difference of any logit and fails above 1e-3. Needs the package transformers.
"""

import sys
from pathlib import Path
from random import Random

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from model import Llama, Shape
from scenes import Mix, training_document

LIMIT = 1e-3    # float32 sums in different orders differ by about 1e-5


@torch.no_grad()
def main() -> None:
    checkpoint, folder = (Path(a) for a in sys.argv[1:3])
    weights = torch.load(checkpoint, map_location="cpu")["model"]
    ours = Llama(Shape())
    ours.load_state_dict({name: w.to(torch.bfloat16).float() for name, w in weights.items()})
    theirs = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = training_document(Random(1), Mix(far=0.2), 2500).text
    ids = tokenizer(text, return_tensors="pt").input_ids
    if tokenizer.decode(ids[0, 1:]) != text:
        raise SystemExit("the tokenizer does not give the text back")
    difference = (ours(ids) - theirs(ids).logits).abs().max().item()
    print(f"{ids.shape[1]} tokens, largest difference of a logit {difference:.2e}")
    sys.exit(difference > LIMIT)


if __name__ == "__main__":
    main()
