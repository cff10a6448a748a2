"""Rules of SPEC.md section 5.6: names, their order and their hash tables."""

from . import xxh3
from .refusal import require, require_utf8
from .schema import NONE


# In the order in which their names stand.
_SIZE_LIMITS = {"tensors": 4096, "layers": 4096, "attachments": 255, "sources": 4096}


def name(index, row):
    return index.names[row.name_offset : row.name_offset + row.name_size]


def check_names(index):
    require_utf8(index.names, "N1", "the blob of names")
    require(0 not in index.names, "N1", "a NUL in names")
    end = 0
    for vector, limit in _SIZE_LIMITS.items():
        for number, row in enumerate(getattr(index, vector)):
            what = f"{vector}[{number}]"
            require(row.name_offset == end, "N1", f"{what}: name at {row.name_offset}, not {end}")
            require(1 <= row.name_size <= limit, "N1", f"{what}: a name of {row.name_size} bytes")
            end += row.name_size
            require(end <= len(index.names), "N1", f"{what}: the name does not fit")
            first = index.names[row.name_offset]
            require(first & 0xC0 != 0x80, "N1", f"{what}: the name starts inside a character")
    require(end == len(index.names), "N1", "names are longer than the rows say")
    _check_order(index, index.tensors, index.tensors_by_name, "tensors_by_name")
    _check_order(index, index.layers, index.layers_by_name, "layers_by_name")
    _check_slots(index, index.tensors, index.tensor_slots, "tensor_slots")
    _check_slots(index, index.layers, index.layer_slots, "layer_slots")


def _check_order(index, rows, order, what):
    require(len(order) == len(rows), "N2", f"{what} has {len(order)} rows")
    before = b""
    for row in order:
        require(row < len(rows), "N2", f"{what}: {row} is no row")
        current = name(index, rows[row])
        require(before < current, "N2", f"{what} does not ascend at row {row}")
        before = current


def _check_slots(index, rows, slots, what):
    size = 0
    if rows:
        size = 1
        while size < 2 * len(rows):
            size *= 2
    require(len(slots) == size, "N3", f"{what} has {len(slots)} slots, not {size}")
    found = set()
    for place, slot in enumerate(slots):
        if slot.row == NONE:
            require(slot.hash == 0, "N3", f"{what}[{place}] is free and has a hash")
            continue
        require(slot.row < len(rows), "N3", f"{what}[{place}]: {slot.row} is no row")
        require(slot.row not in found, "N3", f"{what}: row {slot.row} is there twice")
        found.add(slot.row)
        expected = xxh3.hash64(name(index, rows[slot.row])) & 0xFFFFFFFF
        require(slot.hash == expected, "N3", f"{what}[{place}]: the hash is not the name's")
        at = expected % size
        while at != place:
            require(slots[at].row != NONE, "N3", f"{what}[{place}] stands after a free slot")
            at = (at + 1) % size
    require(len(found) == len(rows), "N3", f"{what} lacks a row")
