#!/usr/bin/env python3
"""Makes tests/goldens/models/: tiny random checkpoints with the logits and greedy tokens transformers gives for them.

Each directory holds config.json and model.safetensors (F32) as a real model has them, and golden.json:
  prompt             token ids
  logits             [prompt tokens][vocabulary], computed in float64 throughout
  greedy             token ids that follow the prompt, each the highest logit (float64)
  min_top2_margin    smallest gap between the two highest logits over `greedy`: how much error leaves it unchanged

How to run it again: see README.md beside this file.
"""

import argparse
import contextlib
import json
import math
import pathlib

import numpy as np
import safetensors.numpy
import torch
import transformers

NUM_PROMPT_TOKENS = 40
NUM_GREEDY_TOKENS = 24
LEAST_MARGIN = 0.02  # a seed is used only if its greedy tokens are clear of ties, for F32 implementations
LEAST_DISTINCT = 8  # … do not just repeat a few tokens, and hold no end token

SMALL = dict(hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2, vocab_size=101,
             max_position_embeddings=256, rms_norm_eps=1e-5, hidden_act="silu", bos_token_id=1, eos_token_id=2)

# Configurations are written in the different ways that files in the wild use.
MODELS = {
    # 8 query heads and 8 FFN segments: tensor parallelism 1, 2, 4 and 8 all fit. Wavelengths 6, 30, 140 and 664 against
    # bounds 8 and 32: kept, blended, divided, divided.
    "llama_llama3": dict(
        architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=64, intermediate_size=80,
        num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=2, vocab_size=157, max_position_embeddings=256,
        rms_norm_eps=1e-5, hidden_act="silu", rope_theta=500.0, tie_word_embeddings=False, torch_dtype="float32",
        bos_token_id=1, eos_token_id=[2, 3],
        rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                          original_max_position_embeddings=32)),
    "llama_yarn": dict(
        SMALL, architectures=["LlamaForCausalLM"], model_type="llama", num_hidden_layers=2, head_dim=16,
        dtype="float32",
        rope_parameters=dict(rope_type="yarn", rope_theta=1000.0, factor=4.0, original_max_position_embeddings=32)),
    "llama_linear": dict(
        SMALL, architectures=["LlamaForCausalLM"], model_type="llama", num_hidden_layers=2, rope_theta=10000.0,
        torch_dtype="float32", rope_scaling=dict(type="linear", factor=4.0)),
    "llama_bias": dict(
        SMALL, architectures=["LlamaForCausalLM"], model_type="llama", num_hidden_layers=2, rope_theta=10000.0,
        torch_dtype="float32", rope_scaling=None, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    "mistral_window": dict(
        architectures=["MistralForCausalLM"], model_type="mistral", hidden_size=64, intermediate_size=72,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=150, max_position_embeddings=256,
        rms_norm_eps=1e-5, hidden_act="silu", rope_theta=10000.0, sliding_window=8, tie_word_embeddings=False,
        torch_dtype="float32", bos_token_id=1, eos_token_id=2),
    "qwen2": dict(
        architectures=["Qwen2ForCausalLM"], model_type="qwen2", hidden_size=64, intermediate_size=96,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=149, max_position_embeddings=256,
        rms_norm_eps=1e-6, hidden_act="silu", rope_theta=1000000.0, tie_word_embeddings=True, torch_dtype="float32",
        use_sliding_window=False, sliding_window=8, max_window_layers=2, bos_token_id=1, eos_token_id=2),
    # The first layer attends fully, the others see 8 tokens.
    "qwen2_window": dict(
        SMALL, architectures=["Qwen2ForCausalLM"], model_type="qwen2", num_hidden_layers=3, rope_theta=10000.0,
        tie_word_embeddings=False, dtype="float32", use_sliding_window=True, sliding_window=8, max_window_layers=1),
    "qwen3": dict(
        architectures=["Qwen3ForCausalLM"], model_type="qwen3", hidden_size=64, intermediate_size=72,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=24, vocab_size=151,
        max_position_embeddings=256, rms_norm_eps=1e-6, hidden_act="silu", rope_theta=1000000.0,
        tie_word_embeddings=True, attention_bias=False, torch_dtype="float32", use_sliding_window=False,
        sliding_window=None, max_window_layers=2, bos_token_id=1, eos_token_id=2),
}


@contextlib.contextmanager
def float64_throughout():
    """transformers drops to float32 inside norms, softmax and RoPE whatever the model's dtype: here it cannot."""
    names = ("float32", "float")
    saved = {name: getattr(torch, name) for name in names}
    saved_cast = torch.Tensor.float
    try:
        for name in names:
            setattr(torch, name, torch.float64)
        torch.Tensor.float = torch.Tensor.double
        torch.set_default_dtype(torch.float64)
        yield
    finally:
        for name, value in saved.items():
            setattr(torch, name, value)
        torch.Tensor.float = saved_cast
        torch.set_default_dtype(torch.float32)


def random_weight(name, shape, generator, tied):
    """F32 values that make attention sharp, norms and biases matter, and logits spread."""
    noise = generator.standard_normal(shape)
    if name.endswith("bias"):
        values = 0.3 * noise
    elif "norm" in name:
        values = 1.0 + 0.2 * noise
    elif "embed_tokens" in name:
        values = (2.0 / math.sqrt(shape[1]) if tied else 1.0) * noise
    else:
        gain = 1.5 if ("q_proj" in name or "k_proj" in name or "lm_head" in name) else 1.0
        values = gain / math.sqrt(shape[1]) * noise
    return values.astype(np.float32)


def build(config_dict, seed):
    config_class = getattr(transformers, config_dict["architectures"][0].replace("ForCausalLM", "Config"))
    model_class = getattr(transformers, config_dict["architectures"][0])
    config = config_class.from_dict(json.loads(json.dumps(config_dict)))  # from_dict may change its argument
    config._attn_implementation = "eager"
    model = model_class(config).eval()
    generator = np.random.Generator(np.random.Philox(seed))
    weights = {}
    for name, parameter in sorted(model.named_parameters()):
        assert parameter.dtype == torch.float64
        weights[name] = random_weight(name, tuple(parameter.shape), generator, config.tie_word_embeddings)
        parameter.data.copy_(torch.from_numpy(weights[name].astype(np.float64)))
    prompt = [int(t) for t in generator.integers(3, config.vocab_size, NUM_PROMPT_TOKENS)]
    return model, weights, prompt


@torch.no_grad()
def logits_of(model, tokens):
    logits = model(torch.tensor([tokens]), use_cache=False).logits[0]
    assert logits.dtype == torch.float64
    return logits


def greedy_continuation(model, prompt):
    """No cache: every step is a forward pass over all tokens."""
    tokens, margins = list(prompt), []
    for _ in range(NUM_GREEDY_TOKENS):
        best = torch.topk(logits_of(model, tokens)[-1], 2)
        tokens.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
    return tokens[len(prompt):], min(margins)


def make(name, config_dict, directory):
    ends = config_dict["eos_token_id"]
    ends = set(ends if isinstance(ends, list) else [ends])
    for seed in range(1, 1000):
        with float64_throughout():
            model, weights, prompt = build(config_dict, seed)
            greedy, margin = greedy_continuation(model, prompt)
            if margin < LEAST_MARGIN or len(set(greedy)) < LEAST_DISTINCT or ends & set(greedy):
                continue
            logits = logits_of(model, prompt)
        break
    else:
        raise SystemExit(f"{name}: no seed gives clear greedy tokens")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config_dict, indent=2) + "\n")
    safetensors.numpy.save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    (directory / "model.safetensors").chmod(0o644)
    rows = ",\n".join("[" + ",".join(f"{value:.9g}" for value in row.tolist()) + "]" for row in logits)
    (directory / "golden.json").write_text(
        '{"prompt": %s,\n"greedy": %s,\n"min_top2_margin": %.6g,\n"logits": [\n%s]}\n'
        % (json.dumps(prompt), json.dumps(greedy), margin, rows))
    print(f"{name}: seed {seed}, {sum(w.size for w in weights.values())} parameters, margin {margin:.4f}, "
          f"logits std {float(logits.std()):.2f}, {len(set(greedy))} distinct greedy tokens")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).parent / "models")
    parser.add_argument("names", nargs="*", help="models to make (default: all)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name in arguments.names or MODELS:
        make(name, MODELS[name], arguments.output / name)


if __name__ == "__main__":
    main()
