"""Every golden bad container breaks the rule that its table names, for both readers alike."""

import csv
import re
import unittest

import verdicts
import wpack_command
from wpack_reader.container import Container
from wpack_reader.refusal import Refusal

FOLDER = wpack_command.SOURCE_TREE / "tests" / "golden_bad"


def rows():
    with open(FOLDER / "golden_bad.tsv", encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def first_refusal(path):
    """(rule, moment, kind) of what the second reader says first."""
    try:
        container = Container(path)
    except Refusal as refusal:
        return refusal.rule, "open", refusal.kind
    with container:
        try:
            for tensor in container.index.tensors:
                container.tensor_bytes(tensor)
            for attachment in container.index.attachments:
                container.attachment_bytes(attachment)
        except Refusal as refusal:
            return refusal.rule, "use", refusal.kind
        faults = [(fault.rule, "verify", fault.kind) for fault in container.verify()]
        return faults[0] if faults else None


class BadTest(unittest.TestCase):
    def setUp(self):
        self.wpack = wpack_command.from_environment()

    def test_the_second_reader_finds_the_rule_that_the_table_names(self):
        for row in rows():
            with self.subTest(row["name"]):
                path = FOLDER / f"{row['name']}.wpack"
                self.assertEqual(first_refusal(path), (row["rule"], row["moment"], row["kind"]))

    def test_both_refuse_at_the_same_moment_with_the_same_status(self):
        for row in rows():
            with self.subTest(row["name"]):
                path = FOLDER / f"{row['name']}.wpack"
                mine = verdicts.of_second_reader(path)
                ours = verdicts.of_wpack(self.wpack, path)
                both = f"{mine}\n{ours}"
                self.assertEqual(verdicts.statuses(mine), verdicts.statuses(ours), both)
                self.assertEqual(mine.verify, int(row["verify_exit"]), mine.text)

    def test_the_table_lists_what_lies_there(self):
        listed = {f"{row['name']}.wpack" for row in rows()}
        self.assertGreater(len(listed), 60)
        self.assertEqual({path.name for path in FOLDER.glob("*.wpack")}, listed)

    def test_every_rule_of_the_specification_is_broken_or_said_to_have_no_container(self):
        specification = (wpack_command.SOURCE_TREE / "format" / "SPEC.md").read_text("utf-8")
        rules = set(re.findall(r"^- \*\*([A-Z][0-9]+)\*\*", specification, re.MULTILINE))
        self.assertGreater(len(rules), 40)
        readme = (FOLDER / "README.md").read_text("utf-8")
        excused = set(re.findall(r"^\| ([A-Z][0-9]+) \|", readme, re.MULTILINE))
        self.assertEqual(rules, {row["rule"] for row in rows()} | excused)


if __name__ == "__main__":
    unittest.main()
