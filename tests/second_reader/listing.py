"""What the wpack command prints about a container, from what the second reader found in it."""

from wpack_reader.registry import ELEMENT_TYPES, RAW
from wpack_reader.schema import NONE

_METADATA_TYPES = {1: "string", 2: "integer", 3: "float", 4: "bool", 5: "none"}
_METADATA_ORIGINS = {1: "safetensors", 2: "checkpoint"}


def _shard_name(number):
    return f"{number:05}.wps"


def tensors(container):
    """`tensors` of `wpack ls --json`."""
    return [_tensor(container, row) for row in container.index.tensors]


def _tensor(container, row):
    index = container.index
    extent = None if row.extent == NONE else index.extents[row.extent]
    element = ELEMENT_TYPES.get(row.dtype)
    raw = extent is None or extent.codec == RAW
    alias = None if row.alias_of == NONE else index.tensors[row.alias_of]
    return {
        "name": container.name(row),
        "dtype": element.name if element else "unknown",
        "shape": container.shape(row),
        "nbytes": row.nbytes,
        "layer": container.name(index.layers[row.layer]),
        "shard": _shard_name(extent.shard) if extent else None,
        "offset": extent.offset + (row.byte_offset if raw else 0) if extent else None,
        "codec": "raw" if raw else "unknown",
        "alias_of": container.name(alias) if alias else None,
    }


def layers(container):
    """`layers` of `wpack ls --layers --json`."""
    return [_layer(container, row) for row in container.index.layers]


def _layer(container, row):
    own = container.index.tensors[row.tensor_first : row.tensor_first + row.tensor_count]
    stored = row.extent_count > 0
    return {
        "name": container.name(row),
        "tensors": row.tensor_count,
        "nbytes": sum(tensor.nbytes for tensor in own),
        "shard": _shard_name(row.shard) if stored else None,
        "begin": row.begin if stored else None,
        "end": row.end if stored else None,
        "shared_extents": row.foreign_count,
    }


def facts(container):
    """`wpack inspect --json` but for the path."""
    index = container.index
    payload = sum(extent.raw_size for extent in index.extents)
    files = container.envelope.file_size + sum(shard.file_size for shard in index.shards)
    return {
        "schema": 1,
        "kind": "container",
        "uuid": container.uuid.hex(),
        "format": f"{container.envelope.format_major}.{container.envelope.format_minor}",
        "producer": index.producer,
        "source_format": index.source_format,
        "tensor_count": len(index.tensors),
        "layer_count": len(index.layers),
        "shard_count": len(index.shards),
        "extent_count": len(index.extents),
        "chunk_count": len(index.chunks),
        "alias_count": sum(tensor.alias_of != NONE for tensor in index.tensors),
        "index_bytes": len(container.index_data),
        "payload_bytes": payload,
        "file_bytes": files,
        "overhead_bytes": files - payload,
        "sources": [_source(container, row) for row in index.sources],
        "shards": [
            {"name": _shard_name(number), "file_size": shard.file_size}
            for number, shard in enumerate(index.shards)
        ],
        "attachments": [
            {"name": container.name(row), "size": len(container.attachment_bytes(row))}
            for row in index.attachments
        ],
        "metadata": [
            {
                "key": key,
                "value": value,
                "type": _METADATA_TYPES.get(kind, "unknown"),
                "origin": _METADATA_ORIGINS.get(origin, "unknown"),
            }
            for key, value, kind, origin in container.metadata()
        ],
    }


def _source(container, row):
    digest = f"{row.digest_high:016x}{row.digest_low:016x}"
    return {"name": container.name(row), "size": row.size, "digest": digest}
