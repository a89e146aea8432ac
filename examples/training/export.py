"""Writes a checkpoint of train.py as a Hugging Face folder: config, BF16 weights, tokenizer.

Usage: python export.py CHECKPOINT.pt TOKENIZER.json OUT_FOLDER
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from build_tokenizer import BOS, BOS_ID, EOS, EOS_ID
from model import Shape

MAX_POSITIONS = 4096

LAYER_NAMES = {
    "attention_norm": "input_layernorm",
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "mlp_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
OUTER_NAMES = {"embedding.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight"}


def published_name(name: str) -> str:
    """layers.0.q.weight -> model.layers.0.self_attn.q_proj.weight"""
    if name in OUTER_NAMES:
        return OUTER_NAMES[name]
    _, layer, part, leaf = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.{leaf}"


def config(s: Shape, vocabulary: int) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": BOS_ID,
        "eos_token_id": EOS_ID,
        "head_dim": s.head_size,
        "hidden_act": "silu",
        "hidden_size": s.hidden,
        "initializer_range": 0.02,
        "intermediate_size": s.inner,
        "max_position_embeddings": MAX_POSITIONS,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": s.heads,
        "num_hidden_layers": s.layers,
        "num_key_value_heads": s.kv_heads,
        "pretraining_tp": 1,
        "rms_norm_eps": s.eps,
        "rope_scaling": None,
        "rope_theta": s.theta,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": vocabulary,
    }


def generation_config() -> dict:
    return {"bos_token_id": BOS_ID, "do_sample": False, "eos_token_id": EOS_ID}


# A chat is a scene and a question behind it: what the roles say, line by line.
CHAT_TEMPLATE = ("{{ bos_token }}{% for message in messages %}{{ message['content'] }}"
                 "{% if not loop.last %}{{ '\\n' }}{% endif %}{% endfor %}")


def tokenizer_config() -> dict:
    marks = {str(i): {"content": text, "lstrip": False, "normalized": False, "rstrip": False,
                      "single_word": False, "special": True} for i, text in ((BOS_ID, BOS), (EOS_ID, EOS))}
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": marks,
        "bos_token": BOS,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": EOS,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": MAX_POSITIONS,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def main() -> None:
    checkpoint, tokenizer, folder = (Path(a) for a in sys.argv[1:4])
    folder.mkdir(parents=True, exist_ok=True)
    weights = torch.load(checkpoint, map_location="cpu")["model"]
    tensors = {published_name(n): w.to(torch.bfloat16).contiguous() for n, w in sorted(weights.items())}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    write_json(folder / "config.json", config(Shape(), weights["embedding.weight"].shape[0]))
    write_json(folder / "generation_config.json", generation_config())
    write_json(folder / "tokenizer_config.json", tokenizer_config())
    if tokenizer.resolve() != (folder / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
    print(f"{sum(t.numel() for t in tensors.values())} parameters")


if __name__ == "__main__":
    main()
