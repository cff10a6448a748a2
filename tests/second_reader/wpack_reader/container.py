"""Opens a container, hands out its content, verifies it."""

import os
import re

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
from .refusal import INTEGRITY, UNSUPPORTED, Refusal, require
from .registry import ELEMENT_TYPES, RAW
from .schema import NONE, Index, check_reserved
from .tensor_rules import check_tensors, shape
from .verification import Verification

# The shards that are opened with the container; the others are at their first use.
_SHARDS_OPENED_FIRST = 16


class Container:
    """A container whose index has passed every check; a shard is checked when it is first used."""

    def __init__(self, path):
        self._files = {}
        self._checked = set()
        self._directory = -1
        try:
            self._directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError:
            raise Refusal("D2", f"{path} is not a directory") from None
        except OSError as error:
            raise Refusal("D1", f"{path}: {error.strerror}") from None
        try:
            self._open_index()
            for number in range(min(len(self.index.shards), _SHARDS_OPENED_FIRST)):
                self._open_shard(number)
        except Refusal:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        for file in self._files.values():
            file.close()
        self._files.clear()
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def _open_index(self):
        file = File(self._directory, "index.wpi")
        try:
            self.envelope = envelope.read(file.read(0, envelope.SIZE), file.size)
            require(self.envelope.kind == envelope.INDEX, "E5", "index.wpi is a shard")
            size = self.envelope.data_end - self.envelope.data_begin
            require(size <= INDEX_SIZE_LIMIT, "Z1", f"an index of {size} bytes")
            self.index_data = envelope.check_index_data(self.envelope, file.read(0, file.size))
        finally:
            file.close()
        self.index = Index(self.index_data)
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
        """The logical bytes of a row of `index.tensors`; their chunks are checked before."""
        known = tensor.dtype in ELEMENT_TYPES
        require(known, "T2", f"element type {tensor.dtype} is not known", UNSUPPORTED)
        return self.logical_bytes(tensor)

    def attachment_bytes(self, attachment):
        if attachment.extent == NONE:
            return b""
        extent = self.index.extents[attachment.extent]
        return self._raw_bytes(attachment.extent, 0, extent.raw_size)

    def verify(self):
        """Everything that is wrong, a list of Refusals."""
        return Verification(self).run()

    # Payload

    def logical_bytes(self, tensor):
        """The same as tensor_bytes(), of unknown element types too."""
        if tensor.nbytes == 0:
            return b""
        return self._raw_bytes(tensor.extent, tensor.byte_offset, tensor.nbytes)

    def _raw_bytes(self, row, begin, size):
        self.require_known_codec(row)
        extent = self.index.extents[row]
        first = begin >> extent.chunk_log2
        last = (begin + size - 1) >> extent.chunk_log2
        raw = b"".join(self.stored_chunk(row, i) for i in range(first, last + 1))
        begin -= first << extent.chunk_log2
        return raw[begin : begin + size]

    def require_known_codec(self, row):
        codec = self.index.extents[row].codec
        require(codec == RAW, "X4", f"extents[{row}]: codec {codec} is not known", UNSUPPORTED)

    def stored_chunk(self, row, i):
        """The stored bytes of a chunk of an extent, checked by C4."""
        extent = self.index.extents[row]
        chunk = self.index.chunks[extent.chunk_first + i]
        stored = self.shard(extent.shard).read(extent.offset + chunk.offset, chunk.stored_size)
        require(
            xxh3.hash64(stored) == chunk.hash, "C4", f"extents[{row}], chunk {i}: the hash differs"
        )
        return stored

    # Files

    def shard(self, number):
        """The file of a shard, its envelope checked when it is first asked for."""
        self._open_shard(number)
        if number not in self._checked:
            self._check_shard(number, self._files[number])
            self._checked.add(number)
        return self._files[number]

    def unknown_shards(self):
        """D3: the files that are called as shards are, but that the index does not know."""
        return sorted(
            file
            for file in os.listdir(self._directory)
            if re.fullmatch("[0-9]{5}[.]wps", file) and int(file[:5]) >= self.envelope.shard_count
        )

    def _open_shard(self, number):
        if number not in self._files:
            self._files[number] = File(self._directory, f"{number:05}.wps")

    def _check_shard(self, number, file):
        what = f"shard {number}"
        head = envelope.read(file.read(0, envelope.SIZE), file.size, INTEGRITY)
        row = self.index.shards[number]
        require(head.kind == envelope.SHARD, "E9", f"{what} is an index")
        require(head.uuid == self.uuid, "E9", f"{what} is of another container")
        require(head.shard_count == self.envelope.shard_count, "E9", f"{what}: shard_count differs")
        require(head.shard_number == number, "E9", f"{what} is shard {head.shard_number}")
        for field in row._fields:
            require(
                getattr(head, field) == getattr(row, field), "E9", f"{what}: {field} differs"
            )
