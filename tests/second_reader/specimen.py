"""A container in memory that can be changed, made consistent again, and written elsewhere."""

import struct

from wpack_reader import envelope, xxh3
from wpack_reader.schema import ROWS, SHARD, Index

_UUID = slice(40, 56)
_FILE_SIZE_AT = 64
_DATA_END_AT = 80
_DATA_HASH_AT = 88
_HASH_AT = envelope.SIZE - 8


class Specimen:
    def __init__(self, path):
        file = (path / "index.wpi").read_bytes()
        head = envelope.read(file, len(file))
        self._head = file[: envelope.SIZE]
        self.index = file[head.data_begin : head.data_end]
        self._shards = [
            (path / f"{number:05}.wps").read_bytes() for number in range(head.shard_count)
        ]
        self.places = Index(self.index).places

    def write(self, path, index):
        """Writes the container with `index` for its FlatBuffer, and every hash made to fit.

        Only what the shards' rows say of them is kept: a changed file_size stays changed.
        """
        index = bytearray(index)
        begin = self.places["shards"][0]
        hashes_at = [begin + (n + 1) * SHARD.layout.size - 8 for n in range(len(self._shards))]
        for at in hashes_at:
            index[at : at + 8] = bytes(8)
        uuid = xxh3.hash128(index).to_bytes(16, "big")
        path.mkdir(exist_ok=True)
        for number, (at, shard) in enumerate(zip(hashes_at, self._shards)):
            head, index[at : at + 8] = _seal(shard[: envelope.SIZE], uuid)
            (path / f"{number:05}.wps").write_bytes(head + shard[envelope.SIZE :])
        (path / "index.wpi").write_bytes(self._sealed_index(index, uuid))

    def _sealed_index(self, index, uuid):
        head = bytearray(self._head)
        data_end = envelope.SIZE + len(index)
        file_size = envelope.align_up(data_end, envelope.PAGE)
        struct.pack_into("<Q", head, _FILE_SIZE_AT, file_size)
        struct.pack_into("<Q", head, _DATA_END_AT, data_end)
        struct.pack_into("<Q", head, _DATA_HASH_AT, xxh3.hash64(index))
        return _seal(head, uuid)[0] + bytes(index) + bytes(file_size - data_end)

    def changed_fields(self):
        """(what, index) with one field of a first or last row set to a value that is next to its
        own, or at an end of what it can hold."""
        for vector, kind in ROWS.items():
            begin, count = self.places[vector]
            for row in sorted({0, count - 1}) if count else ():
                at = begin + row * kind.layout.size
                values = kind.layout.unpack_from(self.index, at)
                for i, field in enumerate(kind.row._fields):
                    for value in _other_values(values[i], kind.bits[i]):
                        changed = bytearray(self.index)
                        kind.layout.pack_into(changed, at, *values[:i], value, *values[i + 1 :])
                        yield f"{vector}[{row}].{field} = {value:#x}", changed

    def changed_bytes(self):
        """(what, index) with one byte cleared, or one bit of it flipped, for every byte."""
        for at, byte in enumerate(self.index):
            for value in sorted({0, byte ^ 1 << at % 8} - {byte}):
                changed = bytearray(self.index)
                changed[at] = value
                yield f"byte {at} = {value:#x}", changed


def _other_values(value, bits):
    top = (1 << bits) - 1
    near = {0, 1, value - 1, value + 1, value ^ 1 << bits - 1, top - 1, top}
    return sorted(other for other in near if 0 <= other <= top and other != value)


def _seal(head, uuid):
    """The envelope with another identity, and its hash."""
    head = bytearray(head)
    head[_UUID] = uuid
    digest = struct.pack("<Q", xxh3.hash64(head[:_HASH_AT]))
    head[_HASH_AT:] = digest
    return bytes(head), digest
