#!/usr/bin/env python3
"""check_round_trip.py REPACK: checkpoints of the real libraries survive packing and unpacking.

Exits with 77 (skipped) where there is no torch.
"""

import collections
import ctypes
import pathlib
import subprocess
import sys
import tempfile
import warnings

try:
    import torch
except ImportError:
    print(f"SKIPPED: {sys.executable} has no torch")
    sys.exit(77)

try:
    from safetensors.torch import load_file, save_file
except ImportError:
    load_file = save_file = None

WITH_STORAGE_CLASS = """bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64
complex128""".split()
WITHOUT = """uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz
float8_e8m0fnu complex32""".split()


def random_tensor(dtype, *shape):
    size = torch.empty((), dtype=dtype).element_size()
    high = 2 if dtype == torch.bool else 256
    raw = torch.randint(0, high, (*shape[:-1], shape[-1] * size), dtype=torch.uint8)
    return raw.view(dtype)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(32, 8)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(12))
        self.norm = torch.nn.BatchNorm1d(8)
        self.lm_head = torch.nn.Linear(8, 32, bias=False)
        self.lm_head.weight = self.embed_tokens.weight


def dictionary():
    state = collections.OrderedDict()
    current = hasattr(torch, "uint16")  # saves what has no storage class
    for name in WITH_STORAGE_CLASS + (WITHOUT if current else []):
        if hasattr(torch, name):
            state[f"dtype.{name}"] = random_tensor(getattr(torch, name), 3, 4)
    base = torch.randn(6, 8)
    state.update({"base": base, "row": base[2], "transposed": base.t(), "again": base,
                  "zero_dimensional": torch.tensor(3.5), "empty": torch.empty(2, 0, 3),
                  "größe": torch.ones(2)})
    return state


def raw_bytes(tensor):
    tensor = tensor.contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())


def assert_same(before, after):
    assert list(after) == list(before), set(after) ^ set(before)
    for name, tensor in before.items():
        if not isinstance(tensor, torch.Tensor):
            assert after[name] == tensor, name
            continue
        assert after[name].dtype == tensor.dtype and after[name].shape == tensor.shape, name
        assert raw_bytes(after[name]) == raw_bytes(tensor), name


def is_tied(state, a, b):
    return state[a].data_ptr() == state[b].data_ptr()


def main():
    warnings.simplefilter("ignore")  # experimental element types say so
    repack = sys.argv[1]
    torch.manual_seed(7)
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)

        def round_trip(state, name, back):
            torch.save(state, str(directory / name))
            subprocess.run([repack, str(directory / name), str(directory / back)], check=True)
            return directory / back

        state = Model().state_dict()
        back = torch.load(str(round_trip(state, "model.pth", "model_back.pth")), weights_only=True)
        assert_same(state, back)
        assert is_tied(back, "lm_head.weight", "embed_tokens.weight")
        Model().load_state_dict(back)

        state = dictionary()
        back = torch.load(str(round_trip(state, "all.pt", "all_back.pt")), weights_only=True)
        assert_same(state, back)
        assert is_tied(back, "base", "again")
        assert back["row"].data_ptr() == back["base"].data_ptr() + 2 * 8 * 4

        if save_file is not None:
            state = {k: v for k, v in Model().state_dict().items() if k != "lm_head.weight"}
            path, back = directory / "a.safetensors", directory / "b.safetensors"
            save_file(state, str(path), metadata={"format": "pt", "größe": "x"})
            subprocess.run([repack, str(path), str(back)], check=True)
            assert path.read_bytes() == back.read_bytes()
            converted = round_trip(Model().state_dict(), "c.pth", "c.safetensors")
            assert load_file(str(converted)).keys() == Model().state_dict().keys()
    print(f"torch {torch.__version__}: everything came back")


if __name__ == "__main__":
    main()
