"""What `verify` checks beyond opening: every file, chunk, tensor and padding byte, the identity."""

from . import envelope, xxh3
from .refusal import Refusal, require
from .schema import SHARD


class Verification:
    """One pass over a container. It goes on after a fault, but not into what the fault covers."""

    def __init__(self, container):
        self._container = container
        self._index = container.index
        self._faults = []
        self._unusable_extents = set()

    def run(self):
        self._check(self._identity)
        shards = range(len(self._index.shards))
        usable = [number for number in shards if self._check(self._container.shard, number)]
        for row, extent in enumerate(self._index.extents):
            if extent.shard not in usable or not self._check_extent(row, extent):
                self._unusable_extents.add(row)
        for number, tensor in enumerate(self._index.tensors):
            if tensor.nbytes == 0 or tensor.extent not in self._unusable_extents:
                self._check(self._tensor, number, tensor)
        for number in usable:
            self._check(self._padding, number)
        for file in self._container.unknown_shards():
            self._faults.append(Refusal("D3", f"the index does not know {file}"))
        return self._faults

    def _check(self, function, *arguments):
        try:
            function(*arguments)
        except Refusal as fault:
            self._faults.append(fault)
            return False
        return True

    def _check_extent(self, row, extent):
        """True if the extent's raw bytes can be had."""
        chunks = range(extent.chunk_count)
        sound = [self._check(self._container.stored_chunk, row, i) for i in chunks]
        return all(sound) and self._check(self._container.require_known_codec, row)

    def _tensor(self, number, tensor):
        found = xxh3.hash64(self._container.logical_bytes(tensor))
        require(found == tensor.hash, "T5", f"tensors[{number}]: the hash does not match")

    def _padding(self, number):
        size = self._index.shards[number].file_size
        begin = envelope.SIZE
        for used_begin, used_end in self._chunk_ranges(number) + [(size, size)]:
            gap = self._container.shard(number).read(begin, used_begin - begin)
            require(not any(gap), "P1", f"shard {number}: padding from {begin} is not zero")
            begin = used_end

    def _chunk_ranges(self, shard):
        ranges = []
        for extent in self._index.extents:
            if extent.shard == shard:
                rows = slice(extent.chunk_first, extent.chunk_first + extent.chunk_count)
                for chunk in self._index.chunks[rows]:
                    begin = extent.offset + chunk.offset
                    ranges.append((begin, begin + chunk.stored_size))
        return ranges

    def _identity(self):
        data = bytearray(self._container.index_data)
        begin, count = self._index.places["shards"]
        for number in range(count):
            end = begin + (number + 1) * SHARD.layout.size
            data[end - 8 : end] = bytes(8)  # envelope_hash is the last field
        uuid = xxh3.hash128(data).to_bytes(16, "big")
        require(uuid == self._container.uuid, "U1", "the UUID is not the index's")
