"""Both readers find the same in every golden container, and in what is packed from tests/data."""

import random
import tempfile
import unittest
from pathlib import Path

import checkpoints
import listing
import verdicts
import wpack_command
from specimen import Specimen
from wpack_reader.container import Container
from wpack_reader.refusal import BAD_INPUT, IO, LIMIT
from wpack_reader.registry import ELEMENT_TYPES

TESTS = wpack_command.SOURCE_TREE / "tests"
GOLDENS = sorted((TESTS / "golden").glob("*.wpack"))
SOURCES = sorted(
    path
    for folder in ("safetensors", "torch")
    for path in (TESTS / "data" / folder).iterdir()
    if path.suffix in (".safetensors", ".pt", ".pth", ".bin")
)
FOLDERS = sorted(path for path in (TESTS / "data" / "hugging_face").glob("*") if path.is_dir())


class GoodTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.wpack = wpack_command.from_environment()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)

    def test_both_find_the_same_in_every_golden_container(self):
        self.assertGreater(len(GOLDENS), 5)
        for golden in GOLDENS:
            with self.subTest(golden.name):
                self.compare(golden)

    def test_both_find_the_same_in_what_is_packed_from_real_files(self):
        packed = 0
        for source in SOURCES:
            with self.subTest(source.name):
                packed += self.pack_and_compare(source)
        self.assertGreater(packed, 20)

    def test_both_find_the_same_in_folders_with_attachments(self):
        for source in FOLDERS:
            with self.subTest(source.name):
                self.assertTrue(self.pack_and_compare(source))
                path = self.directory / f"{source.name}.wpack"
                target = self.directory / source.name
                self.wpack.run("unpack", "--quiet", path, "-o", f"{target}/")
                with Container(path) as container:
                    self.assertGreater(len(container.index.attachments), 3)
                    for row in container.index.attachments:
                        name = container.name(row)
                        data = container.attachment_bytes(row)
                        self.assertEqual(data, (source / name).read_bytes(), name)
                        self.assertEqual(data, (target / name).read_bytes(), name)
        self.assertGreater(len(FOLDERS), 3)

    def test_both_find_the_same_in_many_shards_and_chunks(self):
        path = self.packed_many_shards()
        self.compare(path)
        with Container(path) as container:
            self.assertGreater(len(container.index.shards), 18)
            self.assertGreater(max(row.chunk_count for row in container.index.extents), 1)

    def test_both_miss_a_shard_at_the_same_moment(self):
        path = self.packed_many_shards()
        for number, expected in ((17, 0), (2, verdicts.STATUSES[IO])):
            (path / f"{number:05}.wps").unlink()
            mine = verdicts.of_second_reader(path)
            self.assertEqual(mine.open, expected)
            ours = verdicts.of_wpack(self.wpack, path)
            self.assertEqual(verdicts.statuses(mine), verdicts.statuses(ours), f"{mine}\n{ours}")

    def test_the_comparison_can_fail(self):
        one, other = GOLDENS[:2]
        with Container(one) as container:
            self.assertNotEqual(listing.tensors(container), self.wpack.tensors(other))
            self.assertNotEqual(listing.facts(container), self.wpack.facts(other))
            with self.assertRaises(AssertionError):
                self.compare_bytes(container, other)

    def packed_many_shards(self):
        tensors = {f"layers.{n}.weight": bytes([n]) * 65_536 for n in range(18)}
        tensors["layers.18.weight"] = random.Random(1).randbytes(1_500_000)
        source = self.directory / "many.safetensors"
        checkpoints.write_safetensors(source, tensors)
        path = self.directory / "many.wpack"
        self.wpack.run("pack", "--quiet", "--shard-size", "65536", source, "-o", path)
        return path

    def pack_and_compare(self, source):
        """False if the command does not pack this source."""
        container = self.directory / f"{source.name}.wpack"
        try:
            self.wpack.run("pack", "--quiet", source, "-o", container)
        except wpack_command.Failure as failure:
            self.assertIn(failure.status, map(verdicts.STATUSES.get, (BAD_INPUT, LIMIT)), failure)
            return False
        self.compare(container)
        return True

    def compare(self, path):
        for verdict in (verdicts.of_second_reader(path), verdicts.of_wpack(self.wpack, path)):
            self.assertEqual(verdicts.statuses(verdict), (0, 0, 0), verdict.text)
        with Container(path) as container:
            self.assertEqual(listing.tensors(container), self.wpack.tensors(path))
            self.assertEqual(listing.layers(container), self.wpack.layers(path))
            self.assertEqual(listing.facts(container), self.wpack.facts(path))
            self.compare_bytes(container, path)

    def compare_bytes(self, container, path):
        tensors = {
            container.name(row): container.tensor_bytes(row) for row in container.index.tensors
        }
        self.assertEqual(tensors, self.unpacked(container, path))

    def unpacked(self, container, path):
        """The bytes of the tensors as the command unpacks them."""
        target = self.directory / f"{path.name}.safetensors"
        try:
            self.wpack.run("unpack", "--quiet", path, "-o", target)
        except wpack_command.Failure as failure:
            self.assertIn("safetensors has no element type", str(failure))
            return self.unpacked_by_torch(container, path)
        tensors, metadata = checkpoints.read_safetensors(target)
        self.assertEqual(
            metadata, {key: text for key, text, _, _ in container.metadata()}
        )
        return tensors

    def unpacked_by_torch(self, container, path):
        target = self.directory / f"{path.name}.pth"
        self.wpack.run("unpack", "--quiet", path, "-o", target)
        sizes = {
            container.name(row): (row.nbytes, ELEMENT_TYPES[row.dtype].bits // 8)
            for row in container.index.tensors
        }
        return checkpoints.read_torch(target, sizes)


class SpecimenTest(unittest.TestCase):
    def test_what_is_written_without_a_change_is_the_container(self):
        with tempfile.TemporaryDirectory() as directory:
            for golden in GOLDENS:
                copy = Path(directory) / golden.name
                specimen = Specimen(golden)
                specimen.write(copy, specimen.index)
                for file in golden.iterdir():
                    self.assertEqual(file.read_bytes(), (copy / file.name).read_bytes(), file)


if __name__ == "__main__":
    unittest.main()
