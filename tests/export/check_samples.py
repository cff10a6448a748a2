#!/usr/bin/env python3
"""check_samples.py WRITE_SAMPLES: reads the sinks' files with the real libraries.

Exits with 77 (skipped) where there is no torch.
"""

import ctypes
import pathlib
import subprocess
import sys
import tempfile
import warnings
import zipfile

try:
    import torch
except ImportError:
    print(f"SKIPPED: {sys.executable} has no torch")
    sys.exit(77)

CURRENT = hasattr(torch, "uint16")  # reads what has no storage class

METADATA = {
    "meta.text": "grüß\n",
    "meta.integer": -123456789012345678901234567890,
    "meta.small": 7,
    "meta.float": -0.1,
    "meta.infinite": float("inf"),
    "meta.true": True,
    "meta.none": None,
}
SHAPES = {
    "zero_dimensional": [],
    "empty": [2, 0, 3],
    "größe.重み": [3],
    'control\x01\n"\\': [3],
    "n" * 4096: [3],
    "owner": [70000],
    "tied": [70000],
    "part": [2, 3],
    "mixed": [8],
    "mixed_u16": [4],
    "mixed_i64": [2],
}
OFFSETS = {"part": 40, "mixed_u16": 8, "mixed_i64": 16}  # in the pattern of the tensor viewed
DTYPES = {"empty": "int64", "zero_dimensional": "float32", "owner": "float32", "tied": "float32",
          "part": "float32", "mixed": "float32", "mixed_u16": "uint16", "mixed_i64": "int64"}


def raw_bytes(tensor):
    assert tensor.is_contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())


def expected_bytes(name, tensor):
    size = tensor.numel() * tensor.element_size()
    begin = OFFSETS.get(name, 0)
    if tensor.dtype == torch.bool:
        return bytes(i % 2 for i in range(size))
    return bytes((i * 7 + 3) % 251 for i in range(begin, begin + size))


def check_tensor(name, tensor):
    dtype = DTYPES.get(name) or (name.split(".", 1)[1] if name[:2] in ("t.", "al") else "uint8")
    shape = SHAPES.get(name) or ([] if name in SHAPES else [2, 3] if name[:2] == "t." else [2, 4])
    assert str(tensor.dtype) == f"torch.{dtype}", (name, tensor.dtype)
    assert list(tensor.shape) == shape, (name, tensor.shape)
    assert raw_bytes(tensor) == expected_bytes(name, tensor), name


def check_torch(path, loads, metadata):
    for options in loads:
        state = torch.load(str(path), **options)
        tensors = {k: v for k, v in state.items() if isinstance(v, torch.Tensor)}
        assert {k: v for k, v in state.items() if k not in tensors} == metadata, state.keys()
        for name, tensor in tensors.items():
            check_tensor(name, tensor)
        owner = tensors["owner"].data_ptr()
        assert tensors["tied"].data_ptr() == owner
        assert tensors["part"].data_ptr() == owner + 40
        if "mixed" in tensors:
            assert tensors["mixed_u16"].data_ptr() == tensors["mixed"].data_ptr() + 8
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None  # every CRC-32
    return len(tensors)


def check_safetensors(path):
    try:
        from safetensors.torch import load_file
    except ImportError:
        return 0
    tensors = load_file(str(path))
    for name, tensor in tensors.items():
        check_tensor(name, tensor)
    return len(tensors)


def main():
    warnings.simplefilter("ignore")  # experimental element types say so
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        subprocess.run([sys.argv[1], str(directory)], check=True)
        plain = [{"weights_only": True}, {"weights_only": False}]
        # PyTorch 1.13 reads no floating-point scalars under weights_only, not even its own.
        scalars = plain if CURRENT else plain[1:]
        counts = [check_torch(directory / "plain.pt", plain, {}),
                  check_torch(directory / "scalars.pt", scalars, METADATA)]
        if CURRENT:
            mapped = plain + [{"weights_only": True, "mmap": True}]
            counts.append(check_torch(directory / "all.pt", mapped, METADATA))
        counts.append(check_safetensors(directory / "plain.safetensors"))
    print(f"torch {torch.__version__}: read {counts} tensors")


if __name__ == "__main__":
    main()
