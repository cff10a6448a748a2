#!/usr/bin/env python3
"""Writes the PyTorch fixtures of this folder, and the manifest that the tests compare them with.

Run it once with each Python that has a PyTorch worth testing; the files' names begin with the
version, and nothing else in the folder is touched:

    python3 tests/data/torch/make_fixtures.py            # PyTorch 1.13
    /path/to/venv/bin/python tests/data/torch/make_fixtures.py   # a current PyTorch

The same PyTorch writes the same bytes every time. The manifest `VERSION.json` holds, per file, what
PyTorch itself says of it: {"tensors": [{name, dtype, shape, crc32}], "metadata": [[key, type,
value]]}, or {"refused": part of the message}.
"""

import argparse
import collections
import io
import json
import pathlib
import sys
import zipfile
import zlib

import torch

HERE = pathlib.Path(__file__).resolve().parent
VERSION = "torch" + ".".join(torch.__version__.split(".")[:2])
MODERN = hasattr(torch, "uint16")


def sequence(*shape, dtype=torch.float32, first=0):
    count = 1
    for dimension in shape:
        count *= dimension
    return torch.arange(first, first + count, dtype=torch.float64).to(dtype).reshape(shape)


def from_bytes(raw, dtype, shape):
    """A tensor of any element type, also one that has no arithmetic."""
    storage = torch.tensor(list(raw), dtype=torch.uint8)
    return storage.view(dtype).reshape(shape)


def logical_bytes(tensor):
    tensor = tensor.detach()
    if not tensor.is_contiguous():
        tensor = tensor.contiguous()
    storage = tensor.untyped_storage() if MODERN else tensor.storage().untyped()
    begin = tensor.storage_offset() * tensor.element_size()
    return bytes(storage.tolist()[begin : begin + tensor.numel() * tensor.element_size()])


def storage_as_tensor(storage):
    if isinstance(storage, getattr(torch, "UntypedStorage", ())):
        return torch.tensor([], dtype=torch.uint8).set_(storage)
    return torch.tensor([], dtype=storage.dtype).set_(storage)


def flatten(value, path, tensors, metadata):
    if isinstance(value, torch.Tensor) or torch.is_storage(value):
        tensor = storage_as_tensor(value) if torch.is_storage(value) else value
        tensors.append(
            {
                "name": path,
                "dtype": str(tensor.dtype).replace("torch.", ""),
                "shape": list(tensor.shape),
                "crc32": zlib.crc32(logical_bytes(tensor)),
            }
        )
    elif isinstance(value, dict):
        for key, child in value.items():
            flatten(child, f"{path}.{key}" if path else str(key), tensors, metadata)
    elif isinstance(value, (list, tuple)):
        for index, child in enumerate(value):
            flatten(child, f"{path}.{index}" if path else str(index), tensors, metadata)
    elif value is None:
        metadata.append([path, "none", ""])
    elif isinstance(value, bool):
        metadata.append([path, "bool", "true" if value else "false"])
    elif isinstance(value, int):
        metadata.append([path, "integer", str(value)])
    elif isinstance(value, float):
        metadata.append([path, "float", repr(value)])
    elif isinstance(value, str):
        metadata.append([path, "string", value])


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(4, 3)
        self.norm = torch.nn.BatchNorm1d(3)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(3, 3) for _ in range(2)])
        self.head = torch.nn.Linear(3, 4, bias=False)
        self.head.weight = self.embed.weight  # tied
        with torch.no_grad():
            for index, parameter in enumerate(self.parameters()):
                parameter.copy_(sequence(*parameter.shape, first=index) / 7)

    def forward(self, tokens):
        hidden = self.embed(tokens)
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(self.norm(hidden))


class Subclass(torch.Tensor):
    pass


def all_dtypes():
    """One small tensor of every element type that this PyTorch can save, quantised ones aside."""
    raw = bytes(range(1, 97))
    tensors = {}
    for name in sorted(dir(torch)):
        dtype = getattr(torch, name)
        if not isinstance(dtype, torch.dtype) or str(dtype) != f"torch.{name}" or "q" in name:
            continue
        try:
            tensor = from_bytes(raw if dtype != torch.bool else b"\1\0\1\1\0\1", dtype, (2, -1))
            torch.save({name: tensor}, io.BytesIO())
        except (RuntimeError, TypeError, KeyError, NotImplementedError, AttributeError) as error:
            print(f"{VERSION} cannot save {name}: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        tensors[name] = tensor
    return tensors


def views():
    base = sequence(6, 4)
    big = sequence(5, 3, 2, dtype=torch.int16)
    return {
        "base": base,
        "tied": base,
        "tied_view": base.view(4, 6),
        "offset": base[2:5],
        "offset_flat": base.view(-1)[7:13],
        "transposed": base.t(),
        "column": base[:, 1],
        "block": base[1:4, 1:3],
        "every_other": base.view(-1)[::2],
        "overlapping": base.as_strided((5, 4), (2, 1)),
        "expanded": base[:1].expand(6, 4),
        "expanded_scalar": torch.tensor([2.5]).expand(8),
        "permuted": big.permute(2, 0, 1),
        "permuted_slice": big.permute(1, 2, 0)[1:, :, 1::2],
        "scalar": torch.tensor(3.25),
        "scalar_of_base": base[3, 2],
        "empty": torch.empty(0),
        "empty_of_base": base[2:2],
        "empty_rank3": torch.empty(2, 0, 5, dtype=torch.int64),
        "ones": sequence(1, 3, 1).as_strided((1, 3, 1), (7, 1, 9)),
        "small_of_large": sequence(256, dtype=torch.uint8)[100:104],
    }


def objects():
    attributed = sequence(3)
    attributed.origin = "here"
    parameter = torch.nn.Parameter(sequence(2, 2), requires_grad=False)
    tagged = torch.nn.Parameter(sequence(2))
    tagged.tag = "x"
    shared = sequence(4, dtype=torch.int32)
    result = {
        "parameter": parameter,
        "tagged_parameter": tagged,
        "attributed": attributed,
        "storage": shared.storage(),
        "of_storage": shared,
        "set": {1, 2},
        "frozenset": frozenset([3]),
        "bytes": b"\x00\xff",
        "complex": 1 + 2j,
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "size": parameter.shape,
        "counter": collections.Counter("hello"),
        "default": collections.defaultdict(list, {"tensor": sequence(1)}),
    }
    if MODERN:
        result["buffer"] = torch.nn.Buffer(sequence(3, first=5))
        result["untyped_storage"] = sequence(6, dtype=torch.uint8).untyped_storage()
        shared_bits = sequence(8, dtype=torch.uint16)
        result["as_uint16"] = shared_bits
        result["as_float8"] = shared_bits.view(torch.float8_e4m3fn)
        result["as_uint32"] = shared_bits.view(torch.uint32)[1:]
        result["as_uint16_strided"] = shared_bits[::3]
    return result


def nested():
    return {
        "top": sequence(2),
        "encoder": {"layers": [{"w": sequence(2, 2)}, {"w": sequence(2, 2, first=4)}]},
        "pair": (sequence(1), None),
        7: {"eight": sequence(1, first=8), "flag": True, "big": 1 << 80, "neg": -(1 << 40)},
        "dotted.name": {"x": sequence(1, first=9)},
        "unicode \u00e9\u6f22": sequence(1, first=10),
        "numbers": [0.1, -0.0, 1e300, float("inf"), 255, 256, 65536, -1, 1 << 31, -(1 << 63)],
        "text": "line\nbreak",
        "empty": {},
    }


def training():
    model = Tiny()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.125)
    model(torch.tensor([[0], [1]])[:, 0]).sum().backward()
    optimizer.step()
    return {
        "epoch": 3,
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=0.125, layers=[1, 2]),
        "best": 0.5,
        "name": "tiny",
    }


class Writer:
    def __init__(self, folder):
        self.folder = folder
        self.files = {}

    def path(self, name):
        return str(self.folder / f"{VERSION}_{name}")

    def save(self, name, value, root=None, **options):
        torch.save(value, self.path(name), **options)
        return self.describe(name, value if root is None else value[root], value)

    def describe(self, name, value, whole=None):
        tensors, metadata, outside = [], [], []
        flatten(value, "", tensors, [])
        flatten(value if whole is None else whole, "", outside, metadata)
        self.files[f"{VERSION}_{name}"] = {"tensors": tensors, "metadata": metadata}
        return self.path(name)

    def refused(self, name, part):
        self.files[f"{VERSION}_{name}"] = {"refused": part}

    def save_refused(self, name, value, part):
        torch.save(value, self.path(name))
        self.refused(name, part)


def rezip(source, target, change=lambda name, data: data, method=zipfile.ZIP_STORED, extra=()):
    """Copies an archive with Python's zipfile, which stamps 1980 on every member."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        folder = old.namelist()[0].split("/")[0]
        members = [(info.filename, old.read(info)) for info in old.infolist()]
        members += [(f"{folder}/{name}", data) for name, data in extra]
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            new.writestr(info, change(name.split("/", 1)[1], data))


def write_all(writer):
    writer.save("dtypes.pt", all_dtypes())
    writer.save("views.pt", views())
    writer.save("expanded.pt", {"x": torch.zeros(1).expand(65)})
    writer.save("objects.pt", objects())
    writer.save("nested.pt", nested())
    state_dict = writer.save("state_dict.pth", Tiny().state_dict())
    writer.save("training.pt", training(), root="state_dict")
    writer.save("model_root.bin", {"iteration": 12, "model": nested()}, root="model")
    for protocol in range(2, 6):
        writer.save(f"protocol{protocol}.pt", objects(), pickle_protocol=protocol)

    buffer = io.BytesIO()
    torch.save(nested(), buffer)
    pathlib.Path(writer.path("in_memory.pt")).write_bytes(buffer.getvalue())
    writer.describe("in_memory.pt", nested())

    rezip(state_dict, writer.path("deflated.pth"), method=zipfile.ZIP_DEFLATED)
    writer.describe("deflated.pth", Tiny().state_dict())

    # What a big-endian machine would write: the same archive with every element reversed.
    words = {"f32": sequence(3, 2), "i16": sequence(4, dtype=torch.int16),
             "f64": sequence(3, dtype=torch.float64), "u8": sequence(5, dtype=torch.uint8),
             "c64": torch.tensor([1 + 2j, 3 - 4j])}
    words["f32_tied"] = words["f32"]
    words["f32_transposed"] = words["f32"].t()
    units = [4, 2, 8, 1, 4]
    little = writer.path("little.tmp")
    torch.save(words, little)

    def reverse(name, data):
        if name == "byteorder" or not name.startswith("data/"):
            return b"big" if name == "byteorder" else data
        unit = units[int(name[5:])]
        return b"".join(data[i : i + unit][::-1] for i in range(0, len(data), unit))

    rezip(little, writer.path("big_endian.pt"), reverse,
          extra=() if MODERN else [("byteorder", b"big")])
    pathlib.Path(little).unlink()
    writer.describe("big_endian.pt", words)

    if MODERN:
        from torch.utils.serialization import config

        config.save.compute_crc32 = False
        writer.save("no_crc.pt", Tiny().state_dict())
        config.save.compute_crc32 = True
        config.save.storage_alignment = 4096
        writer.save("aligned.pt", {"x": sequence(3)})
        config.save.storage_alignment = 64


def write_refused(writer):
    save = writer.save_refused
    complex_tensor = torch.tensor([1 + 2j, 3 - 4j])
    if MODERN:  # PyTorch 1.13 saves such views as if they were none
        save("conj.pt", {"x": complex_tensor.conj()}, "'conj'")
        save("neg.pt", {"x": complex_tensor.conj().imag}, "'neg'")
    save("sparse.pt", {"x": torch.eye(3).to_sparse()}, "a sparse tensor")
    save("meta.pt", {"x": torch.empty(3, device="meta")}, "a meta tensor")
    save("quantised.pt", {"x": torch.quantize_per_tensor(sequence(4), 0.5, 1, torch.qint8)},
         "a quantised tensor")
    save("subclass.pt", {"x": sequence(2).as_subclass(Subclass)}, "subclass __main__.Subclass")
    save("module.pt", Tiny(), "__main__.Tiny")
    save("bare_tensor.pt", sequence(2), "one tensor without a name")
    save("nothing.pt", {"epoch": 1}, "holds no tensors")
    save("rank33.pt", {"x": torch.zeros([1] * 33)}, "33 dimensions")
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), writer.path("torchscript.pt"))
    writer.refused("torchscript.pt", "TorchScript")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    folder = parser.parse_args().out
    torch.manual_seed(0)
    writer = Writer(folder)
    write_all(writer)
    write_refused(writer)
    manifest = {"torch": torch.__version__, "files": writer.files}
    (folder / f"{VERSION}.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
