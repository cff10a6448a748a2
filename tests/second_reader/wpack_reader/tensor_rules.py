"""Rules of SPEC.md section 5.5: tensors."""

from math import prod

from .refusal import require
from .registry import ELEMENT_TYPES
from .schema import NONE


def check_tensors(index):
    next_dim = 0
    owners = [n for n, layer in enumerate(index.layers) for _ in range(layer.tensor_count)]
    for number, tensor in enumerate(index.tensors):
        what = f"tensors[{number}]"
        require(tensor.rank <= 32, "T1", f"{what}: rank {tensor.rank}")
        require(tensor.dims_first == next_dim, "T1", f"{what}: dims from {tensor.dims_first}")
        next_dim += tensor.rank
        require(next_dim <= len(index.dims), "T1", f"{what}: too few dims")
        _check_size(tensor, shape(index, tensor), what)
        require(tensor.layer == owners[number], "T3", f"{what}: layer {tensor.layer}")
        _check_place(index, tensor, what)
        _check_alias(index, tensor, what)
    require(next_dim == len(index.dims), "T1", "a dimension has no tensor")


def shape(index, tensor):
    return index.dims[tensor.dims_first : tensor.dims_first + tensor.rank]


def _check_size(tensor, dims, what):
    element = ELEMENT_TYPES.get(tensor.dtype)
    if element is not None:
        nbytes = (prod(dims) * element.bits + 7) // 8
        require(
            tensor.nbytes == nbytes, "T2", f"{what}: {tensor.nbytes} bytes, not {nbytes}"
        )


def _check_place(index, tensor, what):
    if tensor.nbytes == 0:
        require(
            tensor.extent == NONE and tensor.byte_offset == 0, "T4", f"{what} is empty and lies"
        )
        return
    require(tensor.extent < len(index.extents), "T4", f"{what}: extent {tensor.extent} is no row")
    extent = index.extents[tensor.extent]
    layer = index.layers[tensor.layer]
    foreign = index.foreign[layer.foreign_first : layer.foreign_first + layer.foreign_count]
    require(
        extent.layer == tensor.layer or tensor.extent in foreign,
        "T4",
        f"{what}: its layer does not list extent {tensor.extent}",
    )
    require(
        tensor.byte_offset + tensor.nbytes <= extent.raw_size,
        "T4",
        f"{what}: {tensor.nbytes} bytes at {tensor.byte_offset} of {extent.raw_size}",
    )
    element = ELEMENT_TYPES.get(tensor.dtype)
    if element is not None and element.bits >= 8:
        require(
            tensor.byte_offset % (element.bits // 8) == 0,
            "T4",
            f"{what}: byte_offset {tensor.byte_offset} cuts an element",
        )


def _check_alias(index, tensor, what):
    if tensor.alias_of == NONE:
        return
    require(tensor.nbytes > 0, "T6", f"{what} is empty and an alias")
    require(tensor.alias_of < len(index.tensors), "T6", f"{what}: alias of no row")
    whole = index.tensors[tensor.alias_of]
    require(whole.alias_of == NONE, "T6", f"{what} is an alias of an alias")
    require(whole.extent == tensor.extent, "T6", f"{what} is an alias in another extent")
    require(
        whole.byte_offset <= tensor.byte_offset
        and tensor.byte_offset + tensor.nbytes <= whole.byte_offset + whole.nbytes,
        "T6",
        f"{what} is not contained in tensors[{tensor.alias_of}]",
    )
