"""The orders, comparisons and shares of bench/ are what they say; nothing is measured."""

import collections
import os
import pathlib
import tempfile
import types
import unittest

import scripts  # noqa: F401  (finds the modules of bench/)
import level
import page_cache
import paired
import rounds
import start_report


class TurnTest(unittest.TestCase):
    def test_every_entry_runs_at_every_turn_and_after_every_other_equally_often(self):
        for count in (1, 2, 3, 4, 6, 7):
            at_turn, after = collections.Counter(), collections.Counter()
            for number in range(2 * count if count % 2 else count):
                order = rounds.in_turns(list(range(count)), number)
                self.assertEqual(sorted(order), list(range(count)))
                at_turn.update(enumerate(order))
                after.update(zip(order, order[1:]))
            times = 2 if count % 2 else 1
            self.assertEqual(at_turn, {(turn, entry): times for turn in range(count)
                                       for entry in range(count)})
            self.assertEqual(after, {(one, other): times for one in range(count)
                                     for other in range(count) if one != other})


class ComparisonTest(unittest.TestCase):
    def test_only_an_interval_that_excludes_1_is_ahead_or_behind(self):
        ours = [1.0] * 7
        self.assertEqual(paired.compare([2, 2.1, 2.2, 1.9, 2, 2, 1.8], ours).verdict, "ahead")
        self.assertEqual(paired.compare([0.5] * 7, ours).verdict, "behind")
        self.assertEqual(paired.compare([0.5, 2, 0.6, 1.8, 1, 1.2, 0.9], ours).verdict, "tied")

    def test_nothing_is_claimed_from_fewer_than_six_rounds(self):
        self.assertEqual(paired.compare([3.0] * 5, [1.0] * 5).verdict, "too few runs")
        self.assertEqual(paired.compare([3.0] * 6, [1.0] * 6).verdict, "ahead")

    def test_runs_of_one_round_are_pairs(self):
        comparison = paired.compare([2, 40, 6], [1, 10, 2])
        self.assertEqual(comparison.ratios, [2, 4, 3])
        self.assertEqual(comparison.median, 3)
        self.assertEqual(str(comparison), "3 (2-4): too few runs")

    def test_what_took_no_time_says_nothing(self):
        self.assertIsNone(paired.compare([1, 1], [1, 0]))
        self.assertIsNone(paired.compare([], []))
        self.assertIsNone(paired.compare([1], [1, 1]))

    def test_the_interval_is_of_the_median_and_always_the_same(self):
        values = [1, 2, 3, 4, 5, 6, 100]
        low, high = paired.bootstrap_interval(values)
        self.assertLessEqual(low, 3)
        self.assertGreaterEqual(low, 1)
        self.assertGreaterEqual(high, 5)
        self.assertEqual((low, high), paired.bootstrap_interval(values))


class GainTest(unittest.TestCase):
    @staticmethod
    def start(process, start, construction):
        return start_report.Start(process=process, start=start, construction=construction,
                                  cpu=process, peak_rss_bytes=0)

    def test_the_parts_of_the_gain_add_up_to_it_in_every_round(self):
        usual = self.start([34.0, 30.0], [32.0, 29.0], [14.0, 13.0])
        best = self.start([8.0, 7.5], [6.0, 5.0], [1.0, 1.5])
        wpack = self.start([2.9, 3.0], [2.75, 2.5], [0.25, 0.5])
        *parts, (title, whole) = start_report.gains(usual, best, wpack)
        self.assertEqual(title, "all of it")
        self.assertEqual(whole, [34.0 - 2.9, 27.0])
        for number, gain in enumerate(whole):
            self.assertAlmostEqual(sum(seconds[number] for _, seconds in parts), gain)
        self.assertEqual(dict(parts)["no weights drawn at random"], [13.0, 11.5])
        self.assertEqual(dict(parts)["no copy of the weights"], [18 - 5, 16 - 3.5])


class LevelTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)

    def add_device(self, name, kind, features):
        (self.directory / name).mkdir()
        (self.directory / name / "device").write_text(f"{kind}\n")
        (self.directory / name / "features").write_text(f"{features}\n")

    def test_only_a_balloon_that_reports_free_pages_gives_them_back(self):
        self.assertFalse(level.host_takes_pages_back(self.directory / "missing"))
        self.add_device("virtio0", "0x0002", "1" * 64)
        self.add_device("virtio1", "0x0005", "01100")
        self.add_device("virtio2", "0x0005", "0110000100")
        self.assertFalse(level.host_takes_pages_back(self.directory))
        self.add_device("virtio3", "0x0005", "0110010000")
        self.assertTrue(level.host_takes_pages_back(self.directory))

    def leveller(self, fresh_memory):
        return level.Leveller(types.SimpleNamespace(fresh_memory=fresh_memory, settle=0), [])

    def test_memory_is_held_by_another_process_while_a_cold_run_goes_on(self):
        with self.leveller(4 << 20).prepared("cold", []) as seconds:
            self.assertGreater(seconds, 0)
            self.assertEqual(os.waitpid(-1, os.WNOHANG), (0, 0), "nobody holds it")
        with self.assertRaises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    def test_a_warm_run_finds_memory_that_was_just_freed(self):
        file = self.directory / "file"
        file.write_bytes(b"x")
        with self.leveller(1 << 20).prepared("warm", [str(file)]) as seconds:
            self.assertIsNone(seconds)
            with self.assertRaises(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)

    def test_memory_that_there_is_not_is_a_reason_and_no_figure(self):
        with self.assertRaisesRegex(page_cache.NotPossible, "bytes of memory could not be taken"):
            with self.leveller(1 << 60).prepared("cold", []):
                self.fail("it was taken")
        with self.leveller(0).prepared("cold", []) as seconds:
            self.assertIsNone(seconds)


if __name__ == "__main__":
    scripts.main()
