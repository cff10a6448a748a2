"""The table and the structs of the index: format/wpack.fbs and the table in SPEC.md section 5."""

import struct
from collections import namedtuple

from .flatbuffer import Table
from .refusal import require

NONE = 0xFFFFFFFF
IDENTIFIER = b"WPK1"


class _Struct:
    def __init__(self, name, form, fields, zero=(), none=()):
        self.layout = struct.Struct("<" + form)
        self.row = namedtuple(name, fields)
        self.zero = zero
        self.none = none
        self.bits = [8 * struct.calcsize("=" + kind) for kind in form]
        self.alignment = max(self.bits) // 8

    def read(self, data, begin, count):
        end = begin + count * self.layout.size
        return [self.row._make(values) for values in self.layout.iter_unpack(data[begin:end])]


SHARD = _Struct("Shard", "QQQQ", "file_size data_begin data_end envelope_hash")
EXTENT = _Struct(
    "Extent",
    "QQQIIIIIBBBB",
    "offset stored_size raw_size shard layer chunk_first chunk_count parameters codec "
    "alignment_log2 chunk_log2 flags",
    zero=("flags",),
)
CHUNK = _Struct("Chunk", "QQII", "offset hash stored_size flags", zero=("flags",))
LAYER = _Struct(
    "Layer",
    "QQIIIIIIIIHHI",
    "begin end name_offset shard tensor_first tensor_count extent_first extent_count "
    "foreign_first foreign_count name_size flags reserved",
    zero=("flags", "reserved"),
)
TENSOR = _Struct(
    "Tensor",
    "QQQIIIIIIIHHBBHI",
    "byte_offset nbytes hash name_offset extent layer dims_first alias_of transform "
    "quantisation name_size dtype rank flags reserved_a reserved_b",
    zero=("flags", "reserved_a", "reserved_b"),
    none=("transform", "quantisation"),
)
NAME_SLOT = _Struct("NameSlot", "II", "hash row")
ATTACHMENT = _Struct(
    "Attachment",
    "IIHHI",
    "name_offset extent name_size flags reserved",
    zero=("flags", "reserved"),
)
METADATA = _Struct(
    "Metadata",
    "IIIIBBHI",
    "key_offset key_size value_offset value_size type origin reserved_a reserved_b",
    zero=("reserved_a", "reserved_b"),
)
SOURCE = _Struct(
    "Source",
    "QQQIHH",
    "size digest_high digest_low name_offset name_size flags",
    zero=("flags",),
)
_DIM = _Struct("Dim", "Q", "value")
_ROW = _Struct("Row", "I", "value")

# The fields of the root table, in the order of the schema.
_FIELDS = [
    ("producer", "string"),
    ("source_format", "string"),
    ("created", "scalar"),
    ("names", "blob"),
    ("dims", _DIM),
    ("shards", SHARD),
    ("extents", EXTENT),
    ("chunks", CHUNK),
    ("layers", LAYER),
    ("foreign", _ROW),
    ("tensors", TENSOR),
    ("tensors_by_name", _ROW),
    ("tensor_slots", NAME_SLOT),
    ("layers_by_name", _ROW),
    ("layer_slots", NAME_SLOT),
    ("attachments", ATTACHMENT),
    ("metadata_text", "blob"),
    ("metadata", METADATA),
    ("sources", SOURCE),
]

# The vectors among them.
ROWS = {name: kind for name, kind in _FIELDS if isinstance(kind, _Struct)}


class Index:
    """The vectors of the index as lists of rows; their content is not checked yet."""

    def __init__(self, data):
        table = Table(data, IDENTIFIER)
        self.places = {}  # of a vector: where its first element stands in data, and their number
        for number, (name, kind) in enumerate(_FIELDS):
            if kind == "string":
                value = table.string(number, name)
            elif kind == "blob":
                value = table.blob(number, name)
            elif kind == "scalar":
                value = table.scalar(number, "<Q", 0, name)
            else:
                begin, count = table.vector(number, kind.layout.size, kind.alignment, name)
                self.places[name] = (begin, count)
                value = kind.read(data, begin, count)
                if kind in (_DIM, _ROW):
                    value = [row.value for row in value]
            setattr(self, name, value)


def check_reserved(index):
    """F2: what this version gives no meaning to has the value that says so."""
    require(index.created == 0, "F2", f"created is {index.created}")
    for name, kind in ROWS.items():
        for field in kind.zero + kind.none:
            expected = NONE if field in kind.none else 0
            for number, row in enumerate(getattr(index, name)):
                value = getattr(row, field)
                require(value == expected, "F2", f"{name}[{number}].{field} is {value:#x}")
    for number, extent in enumerate(index.extents):
        if extent.codec == 0:
            require(
                extent.parameters == NONE, "F2", f"extents[{number}].parameters is not none"
            )
