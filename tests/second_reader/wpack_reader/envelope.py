"""The envelope of a file: rules E1 to E8, and E10 of the index."""

import struct
from collections import namedtuple

from . import xxh3
from .refusal import BAD_INPUT, INTEGRITY, require
from .schema import NONE

SIZE = 4096
PAGE = 4096
MAGIC = b"\x89WPK\r\n\x1a\n"
VERSION = (0, 1)
INDEX = 1
SHARD = 2

_LAYOUT = struct.Struct("<8sHHIB7sQQ16sIIQQQQ")
_HASH_AT = SIZE - 8

Envelope = namedtuple(
    "Envelope",
    "magic format_major format_minor envelope_size kind reserved incompatible_flags "
    "compatible_flags uuid shard_number shard_count file_size data_begin data_end data_hash "
    "envelope_hash",
)


def align_up(value, alignment):
    return -(-value // alignment) * alignment


def read(data, real_size, without_magic=BAD_INPUT):
    """The envelope in the first bytes of a file of `real_size` bytes, checked by E1 to E8.

    `without_magic` is the kind of refusal of a file that does not begin with the magic.
    """
    has_magic = data[: len(MAGIC)] == MAGIC
    require(has_magic, "E1", "the first bytes are not the magic", without_magic)
    require(len(data) >= SIZE, "E1", f"the file has only {len(data)} bytes", INTEGRITY)
    data = bytes(data[:SIZE])
    (envelope_hash,) = struct.unpack_from("<Q", data, _HASH_AT)
    require(xxh3.hash64(data[:_HASH_AT]) == envelope_hash, "E2", "envelope_hash does not match")
    envelope = Envelope(*_LAYOUT.unpack_from(data), envelope_hash)
    version = (envelope.format_major, envelope.format_minor)
    require(version == VERSION, "E3", "version {}.{} is not known".format(*version))
    flags = envelope.incompatible_flags
    require(flags == 0, "E4", f"incompatible flags {flags:#x} are not known")
    _check_fixed(envelope, data)
    _check_sizes(envelope, real_size)
    require(envelope.shard_count <= 65535, "E8", f"{envelope.shard_count} shards")
    if envelope.kind == SHARD:
        require(envelope.shard_number < envelope.shard_count, "E8", "shard_number is no shard")
    else:
        require(envelope.shard_number == NONE, "E8", "the index has a shard_number")
    return envelope


def _check_fixed(envelope, data):
    require(envelope.kind in (INDEX, SHARD), "E5", f"kind is {envelope.kind}")
    require(envelope.envelope_size == SIZE, "E5", f"envelope_size is {envelope.envelope_size}")
    reserved = envelope.reserved + data[_LAYOUT.size : _HASH_AT]
    require(not any(reserved), "E5", "reserved bytes are not zero")
    if envelope.kind == SHARD:
        require(envelope.data_hash == 0, "E5", "data_hash of a shard is not zero")


def _check_sizes(envelope, real_size):
    require(
        envelope.file_size == real_size,
        "E6",
        f"file_size is {envelope.file_size}, the file has {real_size} bytes",
    )
    require(
        data_range_is_valid(envelope),
        "E7",
        f"data [{envelope.data_begin}, {envelope.data_end}) of {envelope.file_size} bytes",
    )


def data_range_is_valid(row):
    """E7 of an envelope, S2 of a row of the index: the two have the same fields."""
    return (
        row.data_begin == SIZE < row.data_end <= 1 << 48
        and row.file_size == align_up(row.data_end, PAGE)
    )


def check_index_data(envelope, data):
    """E10 over the whole bytes of the index file."""
    content = data[envelope.data_begin : envelope.data_end]
    require(xxh3.hash64(content) == envelope.data_hash, "E10", "data_hash does not match")
    require(not any(data[envelope.data_end :]), "E10", "bytes after the data are not zero")
    return content
