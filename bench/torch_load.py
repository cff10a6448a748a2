"""Loads one checkpoint as a program would and prints what it took, as JSON.

torch_load.py {load,mmap,safetensors} CHECKPOINT [NAME...]: the names are the tensors of the first
layer. Time starts after the imports and ends when one byte of every page was read.
"""

import json
import resource
import sys
import time


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def flatten(value, prefix=""):
    """Yields (dotted name, tensor) for every tensor of a tree of dictionaries and lists."""
    if isinstance(value, torch.Tensor):
        yield prefix, value
    elif isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in items:
            yield from flatten(child, f"{prefix}.{key}" if prefix else str(key))


def touch(tensor):
    data = tensor.detach()
    if data.numel() == 0:
        return
    if not data.is_contiguous():
        data = data.contiguous()
    data.reshape(-1).view(torch.uint8)[::4096].sum().item()


def load(way, path):
    if way == "safetensors":
        return load_file(path)
    options = {"mmap": True} if way == "mmap" else {}
    return torch.load(path, map_location="cpu", weights_only=True, **options)


way, path, first_layer = sys.argv[1], sys.argv[2], set(sys.argv[3:])
import torch  # noqa: E402  (not part of what is timed)

if way == "safetensors":
    from safetensors.torch import load_file
if way == "mmap" and "mmap" not in torch.load.__code__.co_varnames:
    sys.exit(f"torch {torch.__version__} has no torch.load(mmap=True)")

started, cpu_started = time.monotonic(), cpu_seconds()
tensors = list(flatten(load(way, path)))
tensors.sort(key=lambda item: item[0] not in first_layer)
first_layer_seconds = None
for position, (name, tensor) in enumerate(tensors):
    touch(tensor)
    if position + 1 == len(tensors) or tensors[position + 1][0] not in first_layer:
        first_layer_seconds = first_layer_seconds or time.monotonic() - started
print(json.dumps({
    "total_seconds": time.monotonic() - started,
    "first_layer_seconds": first_layer_seconds,
    "cpu_seconds": cpu_seconds() - cpu_started,
}))
