"""Rules of SPEC.md section 5.4: layers."""

from .envelope import PAGE, align_up
from .refusal import require
from .schema import NONE


def check_layers(index):
    _check_ownership(index)
    for number, layer in enumerate(index.layers):
        what = f"layers[{number}]"
        extents = index.extents[layer.extent_first : layer.extent_first + layer.extent_count]
        _check_range(layer, extents, what)
        _check_foreign(index, number, what)
    _check_pages(index)


def _check_ownership(index):
    """The ranges of L1, L2 and L4 follow each other without gaps; X5 says the same of extents."""
    tensor = extent = foreign = 0
    for number, layer in enumerate(index.layers):
        what = f"layers[{number}]"
        require(layer.tensor_first == tensor, "L1", f"{what}: tensors from {layer.tensor_first}")
        require(layer.tensor_count > 0, "L1", f"{what} has no tensor")
        tensor += layer.tensor_count
        require(layer.extent_first == extent, "L2", f"{what}: extents from {layer.extent_first}")
        extent += layer.extent_count
        require(extent <= len(index.extents), "L2", f"{what}: too few extents")
        for row in range(layer.extent_first, extent):
            require(index.extents[row].layer == number, "X5", f"{what} does not own extents[{row}]")
        require(layer.foreign_first == foreign, "L4", f"{what}: foreign {layer.foreign_first}")
        foreign += layer.foreign_count
    require(tensor == len(index.tensors), "L1", f"layers own {tensor} tensors")
    for row in range(extent, len(index.extents)):
        require(index.extents[row].layer == NONE, "X5", f"no layer owns extents[{row}]")
    require(foreign == len(index.foreign), "L4", f"layers own {foreign} rows of foreign")


def _check_range(layer, extents, what):
    if not extents:
        expected = (0, 0, NONE)
    else:
        require(
            all(extent.shard == layer.shard for extent in extents),
            "L3",
            f"{what} has extents outside of shard {layer.shard}",
        )
        begin = extents[0].offset // PAGE * PAGE
        end = align_up(extents[-1].offset + extents[-1].stored_size, PAGE)
        expected = (begin, end, layer.shard)
    actual = (layer.begin, layer.end, layer.shard)
    require(actual == expected, "L3", f"{what}: {actual}, should be {expected}")


def _check_pages(index):
    """L3: neighbours of different homes, which attachments' extents share, share no page."""
    for number, (before, after) in enumerate(zip(index.extents, index.extents[1:]), 1):
        if before.layer != after.layer and before.shard == after.shard:
            end = align_up(before.offset + before.stored_size, PAGE)
            require(
                end <= after.offset, "L3", f"extents[{number}] lies in a page of another layer"
            )


def _check_foreign(index, number, what):
    layer = index.layers[number]
    rows = index.foreign[layer.foreign_first : layer.foreign_first + layer.foreign_count]
    require(rows == sorted(set(rows)), "L4", f"{what}: foreign extents do not ascend")
    for row in rows:
        require(row < len(index.extents), "L4", f"{what}: foreign extent {row} is no row")
        home = index.extents[row].layer
        require(
            home not in (number, NONE), "L4", f"{what}: foreign extent {row} is of no other layer"
        )
    first, last = layer.tensor_first, layer.tensor_first + layer.tensor_count
    used = {tensor.extent for tensor in index.tensors[first:last]}
    require(used.issuperset(rows), "L4", f"{what}: a foreign extent holds none of its tensors")
