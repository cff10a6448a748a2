"""The shape of the transformer whose start is measured, read from a container's listing."""

import dataclasses
import json
import subprocess

# wpack's names of element types, and torch's.
TORCH_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


@dataclasses.dataclass
class ModuleShape:
    vocabulary: int
    hidden: int
    key_value: int
    wide: int
    blocks: int
    dtype: str  # as wpack spells it
    bytes: int  # of all tensors, tied ones once

    def as_arguments(self):
        """Returns what bind_module and torch_start.py take, in their order."""
        return [str(value) for value in (self.vocabulary, self.hidden, self.key_value, self.wide,
                                         self.blocks, self.dtype)]


def read_shape(wpack, container):
    """Returns the shape of the model in `container`, which bench/make_checkpoint.py made."""
    listing = json.loads(subprocess.run([wpack, "ls", "--json", container], check=True,
                                        stdout=subprocess.PIPE).stdout)
    tensors = {tensor["name"]: tensor for tensor in listing["tensors"]}
    vocabulary, hidden = tensors["model.embed_tokens.weight"]["shape"]
    return ModuleShape(
        vocabulary=vocabulary, hidden=hidden,
        key_value=tensors["model.layers.0.self_attn.k_proj.weight"]["shape"][0],
        wide=tensors["model.layers.0.mlp.gate_proj.weight"]["shape"][0],
        blocks=sum(name.endswith(".input_layernorm.weight") for name in tensors),
        dtype=tensors["model.embed_tokens.weight"]["dtype"],
        bytes=sum(tensor["nbytes"] for tensor in tensors.values() if tensor["alias_of"] is None))
