"""Both readers refuse the same damage, at the same moment and as the same kind of error."""

import collections
import os
import shutil
import tempfile
import unittest
from pathlib import Path

import listing
import verdicts
import wpack_command
from specimen import Specimen
from wpack_reader.container import Container
from wpack_reader.refusal import Refusal

GOLDENS = wpack_command.SOURCE_TREE / "tests" / "golden"


class DamageTest(unittest.TestCase):
    def setUp(self):
        self.wpack = wpack_command.from_environment()
        # In memory where that is possible: thousands of small files come and go.
        shared_memory = Path("/dev/shm")
        parent = shared_memory if shared_memory.is_dir() else None
        temporary = tempfile.TemporaryDirectory(dir=parent)
        self.addCleanup(temporary.cleanup)
        self.copy = Path(temporary.name) / "copy.wpack"

    def test_no_flipped_bit_passes(self):
        golden = GOLDENS / "ties.wpack"
        shutil.copytree(golden, self.copy)
        for name in ("index.wpi", "00000.wps"):
            sound = (golden / name).read_bytes()
            for at in range(0, len(sound), 211):
                damaged = bytearray(sound)
                damaged[at] ^= 1 << at % 8
                (self.copy / name).write_bytes(damaged)
                verdict = verdicts.of_second_reader(self.copy)
                with self.subTest(f"bit {at % 8} of byte {at} of {name}"):
                    self.assertNotEqual(verdict.verify, 0)
                    self.assert_equal(verdict, verdicts.of_wpack(self.wpack, self.copy))
            (self.copy / name).write_bytes(sound)
        self.assertEqual(verdicts.of_second_reader(self.copy).verify, 0)

    def test_both_judge_changed_fields_alike(self):
        rules = collections.Counter()
        for name in ("minimal", "ties"):
            specimen = Specimen(GOLDENS / f"{name}.wpack")
            for what, index in specimen.changed_fields():
                with self.subTest(f"{name}: {what}"):
                    rules[self.judge_alike(specimen, index)] += 1
        self.assertGreater(len(rules), 20, "not many rules are tried by this")

    def test_both_judge_changed_bytes_of_the_index_alike(self):
        specimen = Specimen(GOLDENS / "minimal.wpack")
        for what, index in specimen.changed_bytes():
            with self.subTest(what):
                self.judge_alike(specimen, index)

    def test_both_refuse_what_is_no_plain_file_alike(self):
        golden = GOLDENS / "minimal.wpack"
        for name in ("index.wpi", "00000.wps"):
            for kind, make in {
                "link": lambda path: path.symlink_to(golden / path.name),
                "dangling link": lambda path: path.symlink_to("nothing"),
                "directory": Path.mkdir,
                "FIFO": os.mkfifo,
            }.items():
                with self.subTest(f"{name} is a {kind}"):
                    shutil.copytree(golden, self.copy)
                    (self.copy / name).unlink()
                    make(self.copy / name)
                    self.assertNotEqual(self.judge_unchanged_alike().open, 0)
                    shutil.rmtree(self.copy)

    def test_both_look_for_a_directory_alike(self):
        self.assertNotEqual(self.judge_unchanged_alike().open, 0)
        self.copy.write_text("a file")
        self.assertNotEqual(self.judge_unchanged_alike().open, 0)
        self.copy.unlink()
        self.copy.symlink_to(GOLDENS / "minimal.wpack")
        self.assertEqual(self.judge_unchanged_alike().open, 0)

    def test_the_comparison_can_fail(self):
        shutil.copytree(GOLDENS / "minimal.wpack", self.copy)
        sound = verdicts.of_wpack(self.wpack, self.copy)
        (self.copy / "00000.wps").unlink()
        with self.assertRaises(AssertionError):
            self.assert_equal(verdicts.of_second_reader(self.copy), sound)

    def judge_unchanged_alike(self):
        verdict = verdicts.of_second_reader(self.copy)
        self.assert_equal(verdict, verdicts.of_wpack(self.wpack, self.copy))
        return verdict

    def judge_alike(self, specimen, index):
        """Asserts that both readers say the same; returns the rule that is broken, or None."""
        specimen.write(self.copy, index)
        try:
            container = Container(self.copy)
        except Refusal as refusal:
            with self.assertRaises(wpack_command.Failure, msg=str(refusal)) as refused:
                self.wpack.tensors(self.copy)
            status = verdicts.STATUSES[refusal.kind]
            self.assertEqual(status, refused.exception.status, f"{refusal}; {refused.exception}")
            return refusal.rule
        with container:
            self.assertEqual(listing.tensors(container), self.wpack.tensors(self.copy))
        return " ".join(self.judge_unchanged_alike().rules)

    def assert_equal(self, one, other):
        self.assertEqual(verdicts.statuses(one), verdicts.statuses(other), f"{one}\n{other}")


if __name__ == "__main__":
    unittest.main()
