#!/usr/bin/env -S python3 -B
"""What the benchmark of hearing counts, on cases whose answer is known. Needs no packages."""

import unittest

import names
import score
import words

SAME = {
    "en": [
        ("It's a HUNDRED and thirty!", "its a 130"),
        ("$2,500", "two thousand five hundred dollars"),
        ("twelve thirty four; one two three four", "1234, 1234"),
        ("twenty-two years, the 22nd", "22 years the twenty second"),
        ("nineteen ninety nine", "1999"),
        ("two hundred and five thousand and one", "205,001"),
        ("10:30", "ten thirty"),
        ("2 million", "two million"),
        ("I don't, he won't, we're askin'", "i do not he will not we are asking"),
        ("Um, okay", "OK"),
        ("10 a.m.", "ten AM"),
        ("25%", "twenty-five percent"),
    ],
    "ru": [
        ("Ещё двадцать два", "еще 22"),
        ("сто двадцать тысяч рублей", "120 000 рублей"),
        ("двух миллионов трёхсот тысяч", "2 300 000"),
        ("одна тысяча двести", "1200"),
        ("тысяча двести", "1200"),
        ("пятого, 5-го", "5 пятый"),
        ("восемьдесят пять ноль ноль", "8500"),
        ("2,5 млн ₽", "2.5 миллиона рублей"),
        ("№ 5", "номер пять"),
        ("15 %", "пятнадцать процентов"),
        ("Эм, окей", "ок"),
    ],
}
OTHER = [("en", "fifteen", "fifty"), ("ru", "вторник", "второй"), ("ru", "семья", "семь"), ("ru", "стоит", "сто"), ("en", "won", "one")]


def turn(start, end, speaker, text):
    return {"start": start, "end": end, "start_s": start, "end_s": end, "speaker": speaker, "text": text, "words": None, "channel": 0}


class Words(unittest.TestCase):
    def test_two_writings_of_one_thing_are_equal(self):
        for language, pairs in SAME.items():
            for one, other in pairs:
                self.assertEqual(words.normal(one, language), words.normal(other, language), one)

    def test_two_things_are_not(self):
        for language, one, other in OTHER:
            self.assertNotEqual(words.normal(one, language), words.normal(other, language))

    def test_errors_are_as_few_as_can_be(self):
        self.assertEqual(words.errors("a b c d".split(), "a x c d e".split()), (1, 0, 1))
        self.assertEqual(words.errors("a b c".split(), []), (0, 3, 0))
        self.assertEqual(words.errors([], "a b".split()), (0, 0, 2))


class Speakers(unittest.TestCase):
    KNOWN = [(0.0, 10.0, "A"), (10.0, 20.0, "B")]

    def der(self, heard):
        return score.diarization(self.KNOWN, heard)

    def test_names_do_not_matter(self):
        self.assertEqual(score.der([self.der([(0.0, 10.0, "S2"), (10.0, 20.0, "S1")])]), 0.0)

    def test_one_speaker_for_two_is_half_wrong(self):
        self.assertAlmostEqual(score.der([self.der([(0.0, 20.0, "S1")])]), 50.0, places=1)

    def test_edges_are_left_out(self):
        # 19 s are scored: 0.25 s at 0 and at 20, 0.5 s around 10.
        self.assertAlmostEqual(self.der([])["speech"], 19.0, places=1)
        self.assertEqual(score.der([self.der([(0.2, 10.2, "S1"), (10.2, 19.8, "S2")])]), 0.0)

    def test_missed_added_and_others(self):
        figures = self.der([(0.0, 5.0, "S1"), (10.0, 15.0, "S2"), (12.0, 14.0, "S1")])
        self.assertAlmostEqual(figures["missed"], 4.75 + 4.75, places=1)
        self.assertAlmostEqual(figures["added"], 2.0, places=1)
        self.assertEqual(figures["other"], 0.0)

    def test_talk_at_once_counts_for_both(self):
        figures = score.diarization([(0.0, 10.0, "A"), (0.0, 10.0, "B")], [(0.0, 10.0, "S1")])
        self.assertAlmostEqual(figures["speech"], 19.0, places=1)
        self.assertAlmostEqual(figures["missed"], 9.5, places=1)

    def test_words_by_speaker(self):
        known = {"lang": "en", "turns": [turn(0, 1, "A", "good morning steve"), turn(1, 2, "B", "good morning katie")]}
        right = score.score({"turns": [turn(0, 1, "S1", "good morning steve"), turn(1, 2, "S2", "good morning katie")]}, known)
        self.assertEqual(score.wer([right["words_by_speaker"]]), 0.0)
        self.assertEqual(right["speaker_of_words"], {"right": 6, "of": 6})
        one = score.score({"turns": [turn(0, 2, "S1", "good morning steve good morning katie")]}, known)
        self.assertEqual(score.wer([one["words"]]), 0.0)
        self.assertEqual(score.wer([one["words_by_speaker"]]), 100.0)
        self.assertEqual(one["speaker_of_words"], {"right": 3, "of": 6})


class AtOnce(unittest.TestCase):
    def test_marked_talk_at_once_counts_where_two_speak(self):
        known = [(0.0, 4.0, "A"), (3.0, 6.0, "B"), (5.0, 7.0, "A")]
        marked = [{"start_s": 2.5, "end_s": 3.5}, {"start_s": 2.5, "end_s": 3.5}]
        self.assertEqual(score.at_once(known, marked), {"known": 2.0, "marked": 1.0, "right": 0.5})
        self.assertEqual(score.at_once(known, []), {"known": 2.0, "marked": 0.0, "right": 0.0})


class Times(unittest.TestCase):
    def test_differences_are_of_the_same_words(self):
        known = {"lang": "en", "turns": [turn(0, 2, "A", "one fine day")]}
        known["turns"][0]["words"] = [{"w": "one", "s": 0.0, "e": 0.4}, {"w": "fine", "s": 0.5, "e": 0.9}, {"w": "day", "s": 1.0, "e": 2.0}]
        heard = turn(0, 2, "S1", "one fine day")
        heard["words"] = [
            {"text": "One", "start_s": 0.1, "end_s": 0.5},
            {"text": "mine", "start_s": 0.5, "end_s": 0.9},
            {"text": "day.", "start_s": 0.9, "end_s": 2.0},
        ]
        times = score.score({"turns": [heard]}, known)["times"]
        self.assertEqual(times["of"], "words")
        self.assertEqual([round(each, 2) for each in times["starts"]], [0.1, -0.1])
        heard["words"] = None
        times = score.score({"turns": [heard]}, known)["times"]
        self.assertEqual((times["of"], times["starts"], times["ends"]), ("turns", [0.0], [0.0]))

    def test_words_without_times_take_what_was_heard_of_them(self):
        known = {"lang": "en", "turns": [turn(0, 2, "A", "one fine day"), turn(3, 5, "B", "fine")]}
        known["turns"][1]["words"] = [{"w": "fine", "s": 3.0, "e": 3.4}]
        heard = turn(0, 2, "S1", "one fine day")
        heard["words"] = [{"text": text, "start_s": at, "end_s": at + 0.5} for at, text in enumerate(["one", "fine", "day"])]
        self.assertNotIn("times", score.score({"turns": [heard]}, known))

    def test_speakers_are_matched_by_their_words(self):
        known = {"lang": "en", "turns": [turn(0, 2, "A", "one fine day in june"), turn(3, 5, "B", "yes")]}
        for each in known["turns"]:
            each["words"] = [{"w": word, "s": each["start"] + 0.1 * at, "e": each["start"] + 0.1 * at} for at, word in enumerate(each["text"].split())]
        heard = [turn(3, 5, "right", "no"), turn(0, 2, "left", "One, day.")]
        for each in heard:
            each["words"] = [{"text": word, "start_s": each["start_s"] + 0.1 * at, "end_s": 9} for at, word in enumerate(each["text"].split())]
        starts = score.score({"turns": heard}, known)["times"]["starts"]
        self.assertEqual([round(each, 1) for each in starts], [0.0, -0.1])


class Names(unittest.TestCase):
    ITEM = {"lang": "en", "sentences": ["We left {Jobber} for {ParrotLine|parrot line}.", "Is {FieldWise} any good?"]}

    def judged(self, text):
        return names.judged(self.ITEM, {"turns": [{"text": text}]})

    def test_letters_count_and_blanks_do_not(self):
        right = self.judged("We left jobber for Parrot line. Is Field Wise any good?")
        self.assertEqual(right, {"names": 3, "right": 3, "rest": 6, "errors": 0})

    def test_wrong_names_are_no_errors_of_the_rest(self):
        wrong = self.judged("We left job for parrots. Is feel wise very good?")
        self.assertEqual(wrong, {"names": 3, "right": 0, "rest": 6, "errors": 1})


if __name__ == "__main__":
    unittest.main()
