"""The scripts of bench/ that need neither torch nor much time, on a container of a few MB."""

import json
import pathlib
import shutil
import struct
import tempfile
import unittest

from scripts import WPACK, bench, main, require_program, run, skip_if_unmeasured

LAYERS = 6
LAYER_BYTES = 1 << 20


def write_model(path):
    """A safetensors file of layers of 1 MiB each, no two of the same bytes."""
    header = {f"model.layers.{i}.weight": {
        "dtype": "F32", "shape": [LAYER_BYTES // 4],
        "data_offsets": [i * LAYER_BYTES, (i + 1) * LAYER_BYTES]} for i in range(LAYERS)}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for i in range(LAYERS):
            file.write(struct.pack("<Q", i * 0x9E3779B9 + 1) * (LAYER_BYTES // 8))


class ScriptTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        directory = pathlib.Path(temporary.name)
        cls.container, cls.json = directory / "m.wpack", directory / "runs.json"
        write_model(directory / "m.safetensors")
        run(WPACK, "pack", directory / "m.safetensors", "-o", cls.container)

    def runs(self):
        return json.loads(self.json.read_text())

    def test_processes_load_together_and_alone(self):
        text = bench("compare_processes", self.container, "--wpack", WPACK, "--processes", 2, "--json", self.json)
        runs = self.runs()
        self.assertEqual(sorted(runs), ["1", "2"])
        for of in runs.values():
            self.assertGreater(of[0]["seconds"], 0)
            self.assertGreater(of[0]["first_touch_seconds_per_gigabyte"], 0)
        self.assertRegex(text, r"\nfresh memory before cold runs: .* s/GB, medians of contestants ")

    def test_layers_stream_to_a_consumer_as_far_ahead_as_the_library_does(self):
        if shutil.which("fio") is None:
            self.skipTest("fio is not installed")
        program = require_program("stream")
        bench("compare_stream", self.container, "--budget", 4 << 20, "--program", program,
              "--json", self.json)
        runs = self.runs()
        self.assertEqual(list(runs), ["2"])
        self.assertEqual(runs["2"][0]["bytes"], LAYERS * LAYER_BYTES)
        self.assertLessEqual(runs["2"][0]["peak_memory_bytes"], 4 << 20)

    def test_a_container_streams_through_small_memory_groups_with_all_its_bytes(self):
        text = bench("compare_cgroup", self.container, "--wpack", WPACK, "--limits", 64, "--budget", 4 << 20,
                     "--json", self.json)
        skip_if_unmeasured(text)
        runs = self.runs()
        self.assertEqual(sorted(runs), ["64 MiB", "none"])
        self.assertEqual(runs["none"][0]["group_peak_bytes"], None)
        self.assertEqual(runs["64 MiB"][0]["word_sum"], runs["none"][0]["word_sum"])
        self.assertLessEqual(runs["64 MiB"][0]["group_peak_bytes"] or 0, 64 << 20)
        self.assertRegex(text, r"\n64 MiB .* yes\n")

    def test_a_group_that_is_too_small_gives_a_reason(self):
        text = bench("compare_cgroup", self.container, "--wpack", WPACK, "--limits", 0, "--budget", 4 << 20)
        self.assertRegex(text, r"\ngroup of 0 MiB: not measured: ")

    def test_filling_the_page_cache_is_compared_in_turns(self):
        program = require_program("read_in")
        text = bench("compare_read_in", self.container / "00000.wps", "--program", program,
                     "--threads", 1, "--cache", "warm", "--json", self.json)
        self.assertIn("populate, 1 thread(s)  warm", text)
        self.assertIn("too few runs", text)
        self.assertIsNotNone(self.runs()["pread, 1 thread(s), warm"][0]["first_layer_seconds"])

    def test_the_first_touch_is_measured_of_memory_and_of_a_file(self):
        program = require_program("first_touch")
        text = bench("compare_first_touch", self.container / "00000.wps", "--program", program,
                     "--size", 1 << 22, "--threads", 1)
        self.assertIn("small pages, 1 thread(s)", text)
        self.assertIn("fresh memory before cold runs", text)

    def test_packing_is_held_against_copying(self):
        source = self.container.parent / "m.safetensors"
        with tempfile.TemporaryDirectory(dir=source.parent) as work:
            text = bench("compare_pack", source, "--wpack", WPACK, "--work", work, "--cache", "warm")
        self.assertRegex(text, r"\nwpack pack +warm ")


if __name__ == "__main__":
    main()
