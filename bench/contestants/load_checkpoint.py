"""Loads a checkpoint as a program would, and prints what that took as JSON.

load_checkpoint.py {torch,torch-mmap,safetensors,safetensors-open} [--first NAME]...
                   [--tied NAME]... [--touch pages|bytes] [--] FILE...

Time starts after the imports. The tensors that --first names are used before all others. Those that
--tied names are others under a second name, even where a file holds their bytes twice: they are
loaded, but used only once.
"""

from measure import Meter, Toucher, skip  # first: it takes the time of the other imports

import argparse
import contextlib


def flatten(value, prefix=""):
    """Yields (dotted name, tensor) for every tensor of a tree of dictionaries and lists."""
    if isinstance(value, torch.Tensor):
        yield prefix, value
    elif isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in items:
            yield from flatten(child, f"{prefix}.{key}" if prefix else str(key))


def load_whole(load_file, files):
    """Returns {name: function that returns the tensor}, with everything loaded."""
    tensors = {}
    for file in files:
        tensors.update(flatten(load_file(file)))
    return {name: lambda tensor=tensor: tensor for name, tensor in tensors.items()}


def open_lazily(files, stack):
    """Returns {name: function that returns the tensor}, with nothing loaded yet."""
    getters = {}
    for path in files:
        file = stack.enter_context(safetensors.safe_open(path, framework="pt", device="cpu"))
        for name in file.keys():
            getters[name] = lambda file=file, name=name: file.get_tensor(name)
    return getters


def getters_of(way, files, stack):
    if way == "safetensors-open":
        return open_lazily(files, stack)
    if way == "safetensors":
        return load_whole(safetensors.torch.load_file, files)
    options = {"mmap": True} if way == "torch-mmap" else {}
    return load_whole(
        lambda file: torch.load(file, map_location="cpu", weights_only=True, **options), files)


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["torch", "torch-mmap", "safetensors", "safetensors-open"])
    parser.add_argument("--first", action="append", default=[])
    parser.add_argument("--tied", action="append", default=[])
    parser.add_argument("--touch", choices=["pages", "bytes"], default="pages")
    parser.add_argument("files", nargs="+")
    return parser.parse_args()


def main(arguments):
    first, tied = set(arguments.first), set(arguments.tied)
    toucher = Toucher(torch, arguments.touch)
    with contextlib.ExitStack() as stack:
        meter = Meter()
        getters = getters_of(arguments.way, arguments.files, stack)
        # Touching takes one thread, as it does for all contestants; loading takes what it likes.
        torch.set_num_threads(1)
        names = sorted(getters, key=lambda name: name not in first)  # stable: the file's own order
        left = sum(name in first for name in names)
        kept, first_tensor, first_layer = [], None, None
        for position, name in enumerate(names):
            kept.append(getters[name]())
            if name not in tied:
                toucher.touch(kept[-1])
            if position == 0:
                first_tensor = meter.seconds()
            if position + 1 == left:
                first_layer = meter.seconds()
        meter.report(first_tensor_seconds=first_tensor, first_layer_seconds=first_layer,
                     bytes=toucher.bytes, versions=versions,
                     word_sum=toucher.word_sum if arguments.touch == "bytes" else None)


arguments = parse_arguments()
try:
    import torch
except ImportError as error:
    skip(f"this Python has no torch: {error}")
versions = f"torch {torch.__version__}"
if arguments.way.startswith("safetensors"):
    try:
        import safetensors
        import safetensors.torch
    except ImportError as error:
        skip(f"this Python has no safetensors: {error}")
    versions += f", safetensors {safetensors.__version__}"
if arguments.way == "torch-mmap" and "mmap" not in torch.load.__code__.co_varnames:
    skip(f"torch {torch.__version__} has no torch.load(mmap=True)")
main(arguments)
