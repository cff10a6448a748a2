#!/usr/bin/env python3
"""Writes the Hugging Face folders beside this script, as `save_pretrained` writes them.

Needs torch, tokenizers and transformers: version 4 writes the folders with `.bin` files, which later
versions cannot write any more, and version 5 the others. Made with torch 2.15.0, safetensors 0.8.0,
and transformers 4.57.6 and 5.23.0. Run once with each; manifest.json, which says what the libraries
themselves read from each folder, grows with every run. The tests read the checked-in files.
"""

import ctypes
import json
import pathlib
import shutil
import zlib

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
MANIFEST = HERE / "manifest.json"
VERSION_4 = transformers.__version__.startswith("4.")
TEMPLATE = "{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}\n"


def model(tied):
    torch.manual_seed(7)
    config = LlamaConfig(vocab_size=48, hidden_size=16, intermediate_size=24, num_hidden_layers=3,
                         num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=tied)
    return LlamaForCausalLM(config).to(torch.bfloat16)


def tokenizer():
    words = ["<unk>", "<s>", "</s>"] + [f"word{i}" for i in range(45)]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", bos_token="<s>",
                                   eos_token="</s>", chat_template=TEMPLATE)


def folders():
    if VERSION_4:
        yield "torch_sharded", dict(tied=True, safe_serialization=False, max_shard_size="4KB")
        yield "torch_variant", dict(tied=False, safe_serialization=False, max_shard_size="10KB",
                                    variant="fp16")
        yield "torch_single", dict(tied=True, safe_serialization=False)
    else:
        yield "safetensors_sharded", dict(tied=False, max_shard_size="4KB")
        yield "safetensors_variant", dict(tied=True, max_shard_size="10KB", variant="fp16")
        yield "safetensors_single", dict(tied=True)


def describe(path, variant):
    """What the folder's own library reads: names, element types, shapes, checksums."""
    state = LlamaForCausalLM.from_pretrained(path, variant=variant, dtype="auto").state_dict()
    names = set()
    for file in list(path.glob("*.safetensors")) + list(path.glob("*.bin")):
        if file.suffix == ".bin":
            names |= torch.load(file, weights_only=True).keys()
        else:
            with transformers.modeling_utils.safe_open(file, "pt") as opened:
                names |= set(opened.keys())
    tensors = {}
    for name in sorted(names):
        tensor = state[name].contiguous()
        raw = ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())
        tensors[name] = {"dtype": str(tensor.dtype).removeprefix("torch."),
                         "shape": list(tensor.shape), "crc32": zlib.crc32(raw)}
    return {"transformers": transformers.__version__, "torch": torch.__version__,
            "files": sorted(file.name for file in path.iterdir()), "tensors": tensors}


def main():
    manifest = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else {}
    for name, options in folders():
        path = HERE / name
        shutil.rmtree(path, ignore_errors=True)
        variant = options.get("variant")
        model(options.pop("tied")).save_pretrained(path, **options)
        tokenizer().save_pretrained(path)
        for file in path.iterdir():
            file.chmod(0o644)
        manifest[name] = describe(path, variant)
    MANIFEST.write_text(json.dumps(dict(sorted(manifest.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
