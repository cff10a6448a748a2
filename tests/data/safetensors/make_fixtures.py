#!/usr/bin/env python3
"""Writes the safetensors fixtures and manifest.json beside this script.

Needs torch and safetensors; made with torch 2.15.0 and safetensors 0.8.0. The tests read the
checked-in files, so this runs only when a fixture is added. The library writes `__metadata__` in a
random order: running this again changes metadata.safetensors.
"""

import json
import pathlib
import struct

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent

# Every element type that the library can write.
DTYPES = """bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 bfloat16 float32 float64
complex64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu
float4_e2m1fn_x2""".split()


def pattern(size, seed):
    return bytes((seed * 31 + i * 7) % 251 for i in range(size))


def tensor(dtype, *shape, seed=1):
    """A tensor whose bytes are pattern(); bool holds only 0 and 1."""
    item = torch.empty((), dtype=dtype).element_size()
    size = item * int(torch.Size(shape).numel())
    data = pattern(size, seed)
    if dtype == torch.bool:
        data = bytes(b & 1 for b in data)
    raw = torch.frombuffer(bytearray(data), dtype=torch.uint8) if size else torch.empty(0, dtype=torch.uint8)
    return raw.view(dtype).reshape(shape)


def fixtures():
    f32 = torch.float32
    yield "dtypes", {
        f"t.{name}": tensor(getattr(torch, name), 2, 3, seed=i) for i, name in enumerate(DTYPES)
    }, None
    yield "shapes", {
        "zero_dimensional": tensor(f32, seed=2),
        "empty": tensor(f32, 0),
        "empty_rows": tensor(torch.int64, 0, 3),
        "empty_middle": tensor(torch.uint8, 2, 0, 4),
        "one": tensor(torch.float16, 1, seed=3),
        "deep": tensor(torch.uint8, 1, 2, 1, 2, 1, 2, 1, 2, seed=4),
        "odd": tensor(torch.uint8, 7, seed=5),
        "also_odd": tensor(torch.bfloat16, 3, seed=6),
    }, None
    names = ["", "plain", "größe.重み.🙂", 'quote"back\\slash/', "\x01\x1b[31m\x7f\t\n\r\b\f", "\u2028\u202e\x85", "n" * 4096]
    yield "names", {n: tensor(torch.uint8, 3, seed=i) for i, n in enumerate(names) if n}, None
    yield "metadata", {"weight": tensor(f32, 2, seed=7)}, {
        "format": "pt",
        "": "empty key",
        "empty value": "",
        "größe": "重み 🙂",
        "control": "a\x01\x1f\x7f\n\"\\/",
        "json": json.dumps({"a": [1, 2, {"b": None}]}),
    }
    yield "one_entry_metadata", {"weight": tensor(f32, 2, seed=8)}, {"format": "pt"}
    yield "no_tensors", {}, None
    layers = {f"model.layers.{i}.{part}": tensor(torch.bfloat16, 4, 8, seed=i + 10)
              for i in range(11) for part in ("mlp.up_proj.weight", "self_attn.q_proj.weight")}
    layers["model.embed_tokens.weight"] = tensor(torch.bfloat16, 16, 8, seed=40)
    layers["model.norm.weight"] = tensor(f32, 8, seed=41)
    layers["lm_head.weight"] = tensor(torch.bfloat16, 16, 8, seed=42)
    yield "model", layers, {"format": "pt"}


def describe(data):
    """What the file says, read without the library."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    payload = data[8 + size :]
    tensors = []
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors.append({"name": name, "dtype": entry["dtype"], "shape": entry["shape"],
                        "begin": begin, "hex": payload[begin:end].hex()})
    tensors.sort(key=lambda t: (t["begin"], len(t["hex"])))
    return {"tensors": tensors, "metadata": [[k, v] for k, v in metadata.items()]}


def main():
    manifest = {}
    for name, tensors, metadata in fixtures():
        path = HERE / f"{name}.safetensors"
        save_file(tensors, str(path), metadata=metadata)
        data = path.read_bytes()
        manifest[path.name] = describe(data)
        assert len(manifest[path.name]["tensors"]) == len(tensors)
    text = json.dumps(manifest, indent=1, ensure_ascii=True) + "\n"
    (HERE / "manifest.json").write_text(text)


if __name__ == "__main__":
    main()
