"""Starts a transformer module in PyTorch and prints what that took, as JSON.

torch_start.py {usual,best} {whole,construct} CHECKPOINT VOCABULARY HIDDEN KEY_VALUE WIDE BLOCKS
               DTYPE

usual: construct the module, torch.load, load_state_dict, as most programs do. best: construct on
the meta device, torch.load(mmap=True), load_state_dict(assign=True). `construct` stops after
construction, so that it can be taken off. A start ends when every weight is bound and one byte of
every page of them was read; imports are timed apart.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "contestants"))
from measure import Meter, Toucher, skip  # noqa: E402  (first: it times the other imports)

from module_shape import TORCH_DTYPES  # noqa: E402

try:
    import torch
    from torch import nn
except ImportError as error:
    skip(f"this Python has no torch: {error}")


class Norm(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))


class Attention(nn.Module):
    def __init__(self, hidden, key_value):
        super().__init__()
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, key_value, bias=False)
        self.v_proj = nn.Linear(hidden, key_value, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)


class FeedForward(nn.Module):
    def __init__(self, hidden, wide):
        super().__init__()
        self.gate_proj = nn.Linear(hidden, wide, bias=False)
        self.up_proj = nn.Linear(hidden, wide, bias=False)
        self.down_proj = nn.Linear(wide, hidden, bias=False)


class Block(nn.Module):
    def __init__(self, hidden, key_value, wide):
        super().__init__()
        self.self_attn = Attention(hidden, key_value)
        self.mlp = FeedForward(hidden, wide)
        self.input_layernorm = Norm(hidden)
        self.post_attention_layernorm = Norm(hidden)


class Model(nn.Module):
    def __init__(self, vocabulary, hidden, key_value, wide, blocks):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, hidden)
        self.layers = nn.ModuleList(Block(hidden, key_value, wide) for _ in range(blocks))
        self.norm = Norm(hidden)


class LanguageModel(nn.Module):
    def __init__(self, vocabulary, hidden, *rest):
        super().__init__()
        self.model = Model(vocabulary, hidden, *rest)
        self.lm_head = nn.Linear(hidden, vocabulary, bias=False)
        self.lm_head.weight = self.model.embed_tokens.weight


def construct(way, dimensions):
    if way == "usual":
        return LanguageModel(*dimensions)
    with torch.device("meta"):
        return LanguageModel(*dimensions)


def bind(way, module, checkpoint):
    if way == "usual":
        module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
        return
    state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    module.load_state_dict(state, assign=True)


way, part, checkpoint = sys.argv[1:4]
dimensions, dtype = [int(word) for word in sys.argv[4:9]], sys.argv[9]
if way == "best" and "assign" not in nn.Module.load_state_dict.__code__.co_varnames:
    skip(f"torch {torch.__version__} has no load_state_dict(assign=True)")
torch.set_default_dtype(getattr(torch, TORCH_DTYPES[dtype]))
meter = Meter()
module = construct(way, dimensions)
toucher = Toucher(torch, "pages")
if part == "whole":
    bind(way, module, checkpoint)
    torch.set_num_threads(1)
    for parameter in module.parameters():
        toucher.touch(parameter)
meter.report(bytes=toucher.bytes, versions=f"torch {torch.__version__}")
