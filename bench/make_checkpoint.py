#!/usr/bin/env python3
"""Makes a checkpoint like that of a Llama model, with random weights, by torch.save.

The weights are written through mapped files, so that a checkpoint may be larger than memory.
Runs on PyTorch 1.13 and later.
"""

import argparse
import collections
import os
import tempfile

import torch

VOCABULARY = 32000
CHUNK = 1 << 22  # elements that are drawn at a time


def parse_size(text):
    units = {"K": 10**3, "M": 10**6, "G": 10**9}
    text = text.upper().removesuffix("B")
    return int(float(text[:-1]) * units[text[-1]]) if text[-1] in units else int(text)


def shapes(hidden, blocks, vocabulary):
    """Yields (name, shape) in the order in which a model makes its parameters."""
    key_value, wide = hidden // 4, hidden * 11 // 4
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for block in range(blocks):
        prefix = f"model.layers.{block}"
        yield f"{prefix}.self_attn.q_proj.weight", (hidden, hidden)
        yield f"{prefix}.self_attn.k_proj.weight", (key_value, hidden)
        yield f"{prefix}.self_attn.v_proj.weight", (key_value, hidden)
        yield f"{prefix}.self_attn.o_proj.weight", (hidden, hidden)
        yield f"{prefix}.mlp.gate_proj.weight", (wide, hidden)
        yield f"{prefix}.mlp.up_proj.weight", (wide, hidden)
        yield f"{prefix}.mlp.down_proj.weight", (hidden, wide)
        yield f"{prefix}.input_layernorm.weight", (hidden,)
        yield f"{prefix}.post_attention_layernorm.weight", (hidden,)
    yield "model.norm.weight", (hidden,)


def parameters(hidden, blocks, vocabulary):
    return sum(torch.Size(shape).numel() for _, shape in shapes(hidden, blocks, vocabulary))


def choose(count):
    """Returns (hidden, blocks, vocabulary) of a model of about `count` parameters."""
    for hidden in (4096, 2560, 2048, 1536, 1024, 512, 256, 64):
        vocabulary = min(VOCABULARY, max(64, count // 8 // hidden))
        block = parameters(hidden, 1, vocabulary) - parameters(hidden, 0, vocabulary)
        blocks = round((count - parameters(hidden, 0, vocabulary)) / block)
        if blocks >= 12:
            return hidden, blocks, vocabulary
    return hidden, max(blocks, 1), vocabulary


def make_tensor(shape, dtype, generator, drawn, folder):
    count = torch.Size(shape).numel()
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        os.truncate(file.name, count * torch.empty(0, dtype=dtype).element_size())
        flat = torch.from_file(file.name, shared=True, size=count, dtype=dtype)
    if len(shape) == 1:
        flat.fill_(1.0)
    else:
        for begin in range(0, count, CHUNK):
            part = flat[begin:begin + CHUNK]
            part.copy_(drawn[:len(part)].normal_(0, 0.02, generator=generator))
    return flat.view(shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("--size", type=parse_size, default=10**9, help="bytes, such as 4G")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    dtype = getattr(torch, args.dtype)
    hidden, blocks, vocabulary = choose(args.size // torch.empty(0, dtype=dtype).element_size())
    generator = torch.Generator().manual_seed(args.seed)
    drawn = torch.empty(CHUNK)
    folder = os.path.dirname(os.path.abspath(args.output))
    state = collections.OrderedDict(
        (name, make_tensor(shape, dtype, generator, drawn, folder))
        for name, shape in shapes(hidden, blocks, vocabulary))
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    temporary = f"{args.output}.tmp"
    torch.save(state, temporary)
    os.replace(temporary, args.output)
    print(f"{args.output}: {os.path.getsize(args.output) / 1e9:.2f} GB, {blocks} blocks of width "
          f"{hidden}, {args.dtype}, by PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
