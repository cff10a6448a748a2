"""Opens a container, hands out its content, verifies it."""

import os

from . import envelope, xxh3
from .extent_rules import check_chunks, check_extents, check_shards
from .files import File
from .layer_rules import check_layers
from .name_rules import check_names, name
from .other_rules import (
    INDEX_SIZE_LIMIT,
    check_attachments,
    check_limits,
    check_metadata,
    key_and_value,
)
from .refusal import Refusal, require
from .registry import ELEMENT_TYPES, RAW
from .schema import NONE, SHARD, Index, check_reserved
from .tensor_rules import check_tensors, shape


class Container:
    """Opening checks everything that SPEC.md says of the index; a shard is checked when it is used."""

    def __init__(self, path):
        self._shards = {}
        self._directory = -1
        try:
            self._directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Refusal("D2", f"{path}: {error.strerror}") from None
        try:
            self._open_index()
        except Refusal:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        for shard in self._shards.values():
            shard.close()
        self._shards.clear()
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def _open_index(self):
        file = File(self._directory, "index.wpi")
        try:
            head = file.read(0, envelope.SIZE)
            self.envelope = envelope.read(head, file.size, envelope.INDEX)
            size = self.envelope.data_end - self.envelope.data_begin
            require(size <= INDEX_SIZE_LIMIT, "Z1", f"an index of {size} bytes")
            self._data = envelope.check_index_data(self.envelope, file.read(0, file.size))
        finally:
            file.close()
        self.index = Index(self._data)
        check_limits(self.index)
        check_reserved(self.index)
        check_shards(self.index, self.envelope.shard_count)
        check_extents(self.index)
        check_chunks(self.index)
        check_layers(self.index)
        check_tensors(self.index)
        check_names(self.index)
        check_attachments(self.index)
        check_metadata(self.index)

    # What the container holds

    @property
    def uuid(self):
        return self.envelope.uuid

    def name(self, row):
        return name(self.index, row).decode("utf-8")

    def shape(self, tensor):
        return shape(self.index, tensor)

    def metadata(self):
        """(key, value as text, type, origin) in the order of the rows."""
        return [
            (*key_and_value(self.index, row), row.type, row.origin) for row in self.index.metadata
        ]

    def tensor_bytes(self, tensor):
        """The logical bytes of a row of `index.tensors`, its chunks checked before."""
        require(tensor.dtype in ELEMENT_TYPES, "T2", f"element type {tensor.dtype} is not known")
        return self._logical_bytes(tensor)

    def attachment_bytes(self, attachment):
        if attachment.extent == NONE:
            return b""
        extent = self.index.extents[attachment.extent]
        return self._raw_bytes(attachment.extent, 0, extent.raw_size)

    # Verification

    def verify(self):
        """Everything that SPEC.md section 9 lets `verify` promise."""
        for number in range(len(self.index.shards)):
            self._shard(number)
        for row, extent in enumerate(self.index.extents):
            for i in range(extent.chunk_count):
                self._stored_chunk(row, i)
        for number, tensor in enumerate(self.index.tensors):
            require(
                xxh3.hash64(self._logical_bytes(tensor)) == tensor.hash,
                "T5",
                f"tensors[{number}]: the hash does not match",
            )
        self._check_padding()
        require(self._computed_uuid() == self.uuid, "U1", "the UUID is not the index's")

    def _check_padding(self):
        for number, shard in enumerate(self.index.shards):
            used = [
                (extent.offset, extent.offset + extent.stored_size)
                for extent in self.index.extents
                if extent.shard == number
            ]
            begin = envelope.SIZE
            for used_begin, used_end in used + [(shard.file_size, shard.file_size)]:
                gap = self._shard(number).read(begin, used_begin - begin)
                require(not any(gap), "P1", f"shard {number}: padding from {begin} is not zero")
                begin = used_end

    def _computed_uuid(self):
        data = bytearray(self._data)
        hash_at = SHARD.layout.size - 8
        for number in range(len(self.index.shards)):
            row = self.index.shards_begin + number * SHARD.layout.size
            data[row + hash_at : row + SHARD.layout.size] = bytes(8)
        return xxh3.hash128(data).to_bytes(16, "big")

    # Payload

    def _logical_bytes(self, tensor):
        if tensor.nbytes == 0:
            return b""
        return self._raw_bytes(tensor.extent, tensor.byte_offset, tensor.nbytes)

    def _raw_bytes(self, row, begin, size):
        extent = self.index.extents[row]
        require(extent.codec == RAW, "X4", f"extents[{row}]: codec {extent.codec} is not known")
        first = begin >> extent.chunk_log2
        last = (begin + size - 1) >> extent.chunk_log2
        raw = b"".join(self._stored_chunk(row, i) for i in range(first, last + 1))
        begin -= first << extent.chunk_log2
        return raw[begin : begin + size]

    def _stored_chunk(self, row, i):
        extent = self.index.extents[row]
        chunk = self.index.chunks[extent.chunk_first + i]
        shard = self._shard(extent.shard)
        stored = shard.read(extent.offset + chunk.offset, chunk.stored_size)
        require(
            xxh3.hash64(stored) == chunk.hash, "C4", f"extents[{row}], chunk {i}: the hash differs"
        )
        return stored

    def _shard(self, number):
        """The open file of a shard, its envelope checked once: E1 to E9."""
        if number not in self._shards:
            file = File(self._directory, f"{number:05}.wps")
            try:
                self._check_shard(number, file)
            except Refusal:
                file.close()
                raise
            self._shards[number] = file
        return self._shards[number]

    def _check_shard(self, number, file):
        head = envelope.read(file.read(0, envelope.SIZE), file.size, envelope.SHARD)
        row = self.index.shards[number]
        require(head.uuid == self.uuid, "E9", f"shard {number} is of another container")
        require(head.shard_count == self.envelope.shard_count, "E9", f"shard {number}: shard_count")
        require(head.shard_number == number, "E9", f"shard {number} is shard {head.shard_number}")
        for field in row._fields:
            require(
                getattr(head, field) == getattr(row, field), "E9", f"shard {number}: {field} differs"
            )
