"""The shapes of `lockstep bench kernels` in torch on the same GPU: what cuBLAS, SDPA and copies reach there.

    python3 torch_yardstick.py [--json FILE]

Keys of the file: copy and gemm; gqa4_decode, gqa8_decode (GB/s of keys and values read); gqa4_prefill, gqa8_prefill
(TFLOP/s of causal attention). Keys and values are contiguous here, in pages there. A shape that does not fit or is not
supported is left out.
"""
import argparse
import json
import sys

import torch
import torch.nn.functional as F


def seconds(work, repeats=7, calls=10):
    """Median of `repeats` measurements of `calls` calls each, by events."""
    for _ in range(3):
        work()
    measured = []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(calls):
            work()
        end.record()
        torch.cuda.synchronize()
        measured.append(begin.elapsed_time(end) / 1e3 / calls)
    return sorted(measured)[repeats // 2]


def copy_rate(mib=1024):
    source = torch.empty(mib << 20, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() / seconds(lambda: target.copy_(source)) / 1e9


def gemm_rate(size=8192):
    a = torch.randn(size, size, dtype=torch.bfloat16, device="cuda")
    b = torch.randn(size, size, dtype=torch.bfloat16, device="cuda")
    return 2 * size**3 / seconds(lambda: a @ b.T) / 1e12


def attention_inputs(batch, query_heads, kv_heads, queries, keys, width=128):
    def make(heads, length):
        return torch.randn(batch, heads, length, width, dtype=torch.bfloat16, device="cuda")

    return make(query_heads, queries), make(kv_heads, keys), make(kv_heads, keys)


def decode_rate(query_heads, kv_heads, batch=64, context=4096):
    q, k, v = attention_inputs(batch, query_heads, kv_heads, 1, context)
    took = seconds(lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True))
    return 2 * k.numel() * k.element_size() / took / 1e9


def prefill_rate(query_heads, kv_heads, tokens=8192):
    q, k, v = attention_inputs(1, query_heads, kv_heads, tokens, tokens)
    took = seconds(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True))
    return 4 * query_heads * 128 * tokens * (tokens + 1) / 2 / took / 1e12


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch sees no GPU")
    print(torch.cuda.get_device_name(0), "torch", torch.__version__)
    cases = {
        "copy": copy_rate,
        "gemm": gemm_rate,
        "gqa4_decode": lambda: decode_rate(32, 8),
        "gqa8_decode": lambda: decode_rate(64, 8),
        "gqa4_prefill": lambda: prefill_rate(32, 8),
        "gqa8_prefill": lambda: prefill_rate(64, 8),
    }
    figures = {}
    for name, measure in cases.items():
        try:
            figures[name] = measure()
            print(f"{name:14} {figures[name]:10.1f}")
        except (RuntimeError, TypeError) as error:  # out of memory; a torch without enable_gqa
            print(f"{name:14} left out: {error}")
        torch.cuda.empty_cache()
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
