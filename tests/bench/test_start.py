"""compare_start on a small model: each start is measured, and held against wpack's."""

import json
import subprocess

from scripts import PYTHON, WPACK, ModelTest, bench, main, require_program


class StartTest(ModelTest):
    def test_a_module_starts_in_three_ways_and_the_gain_is_taken_apart(self):
        program = require_program("bind_module")
        runs = self.directory / "runs.json"
        text = bench("start/compare_start", self.checkpoint, self.container, "--wpack", WPACK,
                     "--python", PYTHON,
                     "--bind-module", program, "--cache", "warm", "--json", runs)
        self.assertNotIn("not measured", text)
        for name in ("torch as most use it", "torch, meta + mmap + assign"):
            for what in ("start", "weights only"):
                self.assertRegex(text, rf"\n{name[:5]}.* +warm +{what} .*too few runs\n")
        for part in ("no weights drawn at random", "no copy of the weights",
                     "no interpreter, no imports", "all of it"):
            self.assertRegex(text, rf"\n{part} +warm ")
        for name, of in json.loads(runs.read_text()).items():
            self.assertGreater(of[0]["seconds"], 0, name)

    def test_a_module_of_another_shape_is_refused(self):
        program = require_program("bind_module")
        done = subprocess.run([program, "whole", self.container, "1", "2", "3", "4", "1", "BF16"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^bind_module: bind model\.embed_tokens\.weight: its shape ")


if __name__ == "__main__":
    main()
