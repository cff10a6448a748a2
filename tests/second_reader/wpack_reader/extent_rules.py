"""Rules of SPEC.md sections 5.1 to 5.3: shards, extents, chunks."""

from .envelope import data_range_is_valid
from .refusal import require
from .registry import RAW


def check_shards(index, shard_count):
    require(len(index.shards) == shard_count, "S1", f"{len(index.shards)} rows of shards")
    for number, shard in enumerate(index.shards):
        require(data_range_is_valid(shard), "S2", f"shards[{number}]: {shard}")


def check_extents(index):
    place = (0, 0)
    shards_used = set()
    for number, extent in enumerate(index.extents):
        what = f"extents[{number}]"
        require(extent.shard < len(index.shards), "X1", f"{what} is of no shard")
        require((extent.shard, extent.offset) >= place, "X1", f"{what} is out of order or overlaps")
        place = (extent.shard, extent.offset + extent.stored_size)
        shards_used.add(extent.shard)
        _check_extent(extent, index.shards[extent.shard], what)
    require(len(shards_used) == len(index.shards), "X1", "a shard has no extent")


def _check_extent(extent, shard, what):
    require(
        extent.stored_size > 0
        and 4096 <= extent.offset
        and extent.offset + extent.stored_size <= shard.data_end,
        "X2",
        f"{what}: {extent.stored_size} bytes at {extent.offset}",
    )
    require(0 < extent.raw_size <= 1 << 48, "X2", f"{what}: raw_size is {extent.raw_size}")
    require(
        8 <= extent.alignment_log2 <= 30 and extent.offset % (1 << extent.alignment_log2) == 0,
        "X3",
        f"{what}: offset {extent.offset}, alignment 2^{extent.alignment_log2}",
    )
    if extent.codec == RAW:
        require(extent.stored_size == extent.raw_size, "X4", f"{what}: sizes differ")


def check_chunks(index):
    next_row = 0
    for number, extent in enumerate(index.extents):
        what = f"extents[{number}]"
        require(16 <= extent.chunk_log2 <= 26, "C1", f"{what}: chunk_log2 {extent.chunk_log2}")
        count = (extent.raw_size + (1 << extent.chunk_log2) - 1) >> extent.chunk_log2
        require(
            extent.chunk_first == next_row and extent.chunk_count == count,
            "C1",
            f"{what}: {extent.chunk_count} chunks from {extent.chunk_first}",
        )
        next_row += count
        require(next_row <= len(index.chunks), "C1", f"{what}: too few rows of chunks")
        _check_chunks_of(extent, index.chunks[extent.chunk_first : next_row], what)
    require(next_row == len(index.chunks), "C1", "a chunk has no extent")


def _check_chunks_of(extent, chunks, what):
    full = 1 << extent.chunk_log2
    end = 0
    for i, chunk in enumerate(chunks):
        place = f"{what}, chunk {i}: {chunk.stored_size} bytes at {chunk.offset}"
        if extent.codec == RAW:
            raw_size = min(full, extent.raw_size - i * full)
            valid = chunk.offset == i * full and chunk.stored_size == raw_size
        else:
            valid = chunk.offset % 64 == 0 and chunk.offset >= end and chunk.stored_size > 0
            end = chunk.offset + chunk.stored_size
        require(valid, "C3", place)
        require(chunk.offset + chunk.stored_size <= extent.stored_size, "C2", place)
