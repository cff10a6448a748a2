"""The bytes of tensors in safetensors files and in the PyTorch checkpoints that wpack writes."""

import io
import json
import pickle
import zipfile
from collections import OrderedDict


def read_safetensors(path):
    """The bytes of every tensor by its name, and the text of `__metadata__`."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin].decode("utf-8"))
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        tensors[name] = data[begin + first : begin + last]
    return tensors, metadata


def write_safetensors(path, tensors):
    """Writes bytes by name as tensors of type U8."""
    header = {}
    end = 0
    for name, data in tensors.items():
        header[name] = {
            "dtype": "U8",
            "shape": [len(data)],
            "data_offsets": [end, end + len(data)],
        }
        end += len(data)
    text = json.dumps(header).encode("utf-8")
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(tensors.values()))


def read_torch(path, sizes):
    """The bytes of every tensor by its name; `sizes` has (bytes of the tensor, of an element)."""
    with zipfile.ZipFile(path) as archive:
        (listing,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        folder = listing[: -len("data.pkl")]
        tensors = _Tensors(archive.read(listing)).load()
        result = {}
        for name, (storage, offset) in tensors.items():
            nbytes, element = sizes[name]
            data = archive.read(f"{folder}data/{storage}")
            result[name] = data[offset * element : offset * element + nbytes]
        return result


class _Tensors(pickle.Unpickler):
    """Makes (name of the storage, offset in elements) of a tensor, and nothing else."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            return lambda storage, offset, *_: (storage, offset)
        if module in ("torch", "torch.storage"):
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is not expected")

    def persistent_load(self, reference):
        return reference[2]
