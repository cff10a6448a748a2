"""Rules of SPEC.md sections 5.7 and 8: attachments, metadata, limits."""

import re

from .name_rules import name
from .refusal import require, require_utf8
from .schema import NONE

_ATTACHMENT_NAME = re.compile(rb"(?!\.)[A-Za-z0-9._-]+\Z")

_LIMITS = {
    "shards": 65535,
    "tensors": 1 << 24,
    "extents": 1 << 24,
    "chunks": 1 << 26,
    "layers": 1 << 20,
    "attachments": 1024,
    "sources": 65535,
    "metadata": 65536,
    "metadata_text": 8 << 20,
    "producer": 255,
    "source_format": 255,
}
INDEX_SIZE_LIMIT = (1 << 31) - 4097


def check_limits(index):
    for vector, limit in _LIMITS.items():
        elements = getattr(index, vector)
        count = len(elements.encode() if isinstance(elements, str) else elements)
        require(count <= limit, "Z1", f"{count} elements of {vector}, at most {limit}")


def check_attachments(index):
    before = b""
    for number, row in enumerate(index.attachments):
        what = f"attachments[{number}]"
        current = name(index, row)
        require(_ATTACHMENT_NAME.match(current), "A1", f"{what}: the name {current!r}")
        require(before < current, "A1", f"{what}: names do not ascend")
        before = current
        if row.extent != NONE:
            require(row.extent < len(index.extents), "A1", f"{what}: {row.extent} is no row")
            require(
                index.extents[row.extent].layer == NONE, "A1", f"{what}: an extent of a layer"
            )


def check_metadata(index):
    end = 0
    for number, row in enumerate(index.metadata):
        what = f"metadata[{number}]"
        require(row.key_offset == end, "M1", f"{what}: key at {row.key_offset}, not {end}")
        require(row.key_size <= 4096, "M1", f"{what}: a key of {row.key_size} bytes")
        end += row.key_size
        require(row.value_offset == end, "M1", f"{what}: value at {row.value_offset}, not {end}")
        end += row.value_size
        require(end <= len(index.metadata_text), "M1", f"{what}: the text does not fit")
        key, _ = key_and_value(index, row)
        require("\0" not in key, "M1", f"{what}: the key holds a NUL")
    require(end == len(index.metadata_text), "M1", "metadata_text is longer than the rows say")


def key_and_value(index, row):
    text = index.metadata_text
    key = text[row.key_offset : row.key_offset + row.key_size]
    value = text[row.value_offset : row.value_offset + row.value_size]
    return require_utf8(key, "M1", "a key"), require_utf8(value, "M1", "a value")
