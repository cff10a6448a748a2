"""wpack bench against the real libraries, on a small model: all load the same bytes."""

import json

from scripts import PYTHON, WPACK, ModelTest, main, require_packages, run


class ContestantTest(ModelTest):
    def bench(self, *against):
        text = run(WPACK, "bench", self.container, "--warm", "--touch", "bytes", "--runs", 1,
                   "--fresh-memory", "1MiB", "--settle", 0, "--python", PYTHON, "--json", "-",
                   *(word for contestant in against for word in ("--against", contestant)))
        return json.loads(text)

    def check(self, report, names):
        self.assertEqual([row["contestant"] for row in report["rows"]], ["wpack", *names])
        for row in report["rows"]:
            self.assertIsNone(row["reason"], row["contestant"])
            run_ = row["runs"][0]
            for key in ("seconds", "first_tensor_seconds", "first_layer_seconds", "cpu_seconds",
                        "machine_cpu_seconds", "anonymous_bytes", "word_sum"):
                self.assertIsNotNone(run_[key], f"{row['contestant']}: {key}")
        self.assertIs(report["sums_agree"], True)

    def test_torch_adds_up_the_same_bytes(self):
        self.check(self.bench(f"torch:{self.checkpoint}", f"torch-mmap:{self.checkpoint}"),
                   ["torch", "torch-mmap"])

    def test_safetensors_adds_up_the_same_bytes(self):
        require_packages("safetensors")
        target = self.directory / "m.safetensors"
        run(WPACK, "unpack", self.container, "-o", target)
        self.check(self.bench(f"safetensors:{target}", f"safetensors-open:{target}"),
                   ["safetensors", "safetensors-open"])


if __name__ == "__main__":
    main()
