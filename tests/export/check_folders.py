#!/usr/bin/env python3
"""check_folders.py REPACK: folders of transformers survive packing and unpacking.

Exits with 77 (skipped) where there is no transformers.
"""

import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    import transformers
    from transformers import (AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM,
                              PreTrainedTokenizerFast)
except ImportError as error:
    print(f"SKIPPED: {sys.executable}: {error}")
    sys.exit(77)

FIXTURES = pathlib.Path(__file__).parent.parent / "data" / "hugging_face"


def load(path, variant=None):
    model, info = AutoModelForCausalLM.from_pretrained(path, dtype="auto", variant=variant,
                                                       output_loading_info=True)
    assert not any(info.values()), info
    return model.state_dict()


def assert_same(before, after):
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype and torch.equal(after[name], tensor), name


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    repack = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)

        def round_trip(path, name):
            back = directory / name
            subprocess.run([repack, str(path), f"{back}/"], check=True)
            return back

        for path in sorted(p for p in FIXTURES.iterdir() if p.is_dir()):
            variant = "fp16" if path.name.endswith("_variant") else None
            back = round_trip(path, path.name)
            assert_same(load(path, variant), load(back, variant))
            for folder in (path, back):
                tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
                assert tokenizer("word1 word7").input_ids == [4, 10], folder

        # As a cache has it: links into a folder of blobs.
        snapshot = directory / "cache" / "snapshots" / "revision"
        (directory / "cache" / "blobs").mkdir(parents=True)
        snapshot.mkdir(parents=True)
        for number, file in enumerate(sorted((FIXTURES / "safetensors_sharded").iterdir())):
            (directory / "cache" / "blobs" / str(number)).write_bytes(file.read_bytes())
            (snapshot / file.name).symlink_to(f"../../blobs/{number}")
        back = round_trip(snapshot, "from_cache")
        for file in snapshot.iterdir():
            assert (back / file.name).read_bytes() == file.read_bytes(), file.name

        # Split, and not: the same weights.
        torch.manual_seed(3)
        model = LlamaForCausalLM(LlamaConfig(vocab_size=64, hidden_size=16, intermediate_size=24,
                                             num_hidden_layers=12, num_attention_heads=2))
        for size in ("10KB", "1GB"):
            model.save_pretrained(directory / size, max_shard_size=size)
            assert_same(model.state_dict(), load(round_trip(directory / size, f"back_{size}")))

        # A set without an index comes back as one file.
        (directory / "10KB" / "model.safetensors.index.json").unlink()
        back = round_trip(directory / "10KB", "no_index")
        assert_same(model.state_dict(), load(back))
        assert [file.name for file in back.glob("*.safetensors")] == ["model.safetensors"]
    print(f"transformers {transformers.__version__}: every folder came back")


if __name__ == "__main__":
    main()
