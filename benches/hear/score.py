"""What is wrong in an analysis, against the known words, times and speakers of a recording (`corpus.py` says their form)."""

import itertools
import statistics

import words

COLLAR_S = 0.25
FRAME_S = 0.01


def score(analysis, reference):
    """All figures that this reference allows; keys that it does not allow are absent."""
    language = reference["lang"]
    turns = analysis["turns"]
    out = {}
    said = [turn for turn in reference["turns"] if turn["text"]]
    if said:
        out["words"] = counted(normal_of(in_order(said), language), normal_of(turns, language))
        if len({turn["speaker"] for turn in said}) > 1:
            out["words_by_speaker"] = by_speaker(said, turns, language)
            out["speaker_of_words"] = speaker_of_words(said, turns, language)
        if times := word_times(said, turns, language):
            out["times"] = times
    if spans := spans_of(reference):
        out["diarization"] = diarization(spans, [(turn["start_s"], turn["end_s"], turn["speaker"]) for turn in turns])
        out["at_once"] = at_once(spans, [overlap for turn in turns for overlap in turn.get("overlaps", [])])
    return out


def in_order(turns):
    return sorted(turns, key=lambda turn: -1 if turn["start"] is None else turn["start"])


def normal_of(turns, language):
    return words.normal(" ".join(turn["text"] for turn in turns), language)


def counted(wanted, heard):
    wrong, missing, added = words.errors(wanted, heard)
    return {"wanted": len(wanted), "wrong": wrong, "missing": missing, "added": added, "heard": len(heard)}


def wer(counts):
    """Word error rate in percent of many counts together."""
    total = sum(each["wanted"] for each in counts)
    return 100 * sum(each["wrong"] + each["missing"] + each["added"] for each in counts) / total if total else None


def speakers(turns):
    return list(dict.fromkeys(turn["speaker"] for turn in turns))


def matchings(wanted, heard):
    """Every way to give each of `wanted` one of `heard` or nobody, each of `heard` once."""
    heard = list(heard) + [None] * len(wanted)
    return set(itertools.permutations(heard[: len(wanted) + 6], len(wanted)))


def by_speaker(said, turns, language):
    """Errors with words given to speakers, in the matching of speakers that has fewest (cpWER; of two channels, by channel)."""
    wanted = {name: normal_of([turn for turn in in_order(said) if turn["speaker"] == name], language) for name in speakers(said)}
    heard = {name: normal_of([turn for turn in turns if turn["speaker"] == name], language) for name in speakers(turns)}
    pairs = {(a, b): counted(wanted[a], heard[b]) for a in wanted for b in heard}
    pairs |= {(a, None): counted(wanted[a], []) for a in wanted}
    best = None
    for matching in matchings(wanted, heard):
        counts = [pairs[pair] for pair in zip(wanted, matching)]
        counts += [counted([], heard[name]) for name in heard if name not in matching]
        sums = {key: sum(each[key] for each in counts) for key in counts[0]}
        cost = sums["wrong"] + sums["missing"] + sums["added"]
        if best is None or cost < best[0]:
            best = (cost, sums)
    return best[1]


def labelled(turns, language):
    """Normal words with their speakers."""
    pairs = []
    for turn in turns:
        pairs += [(word, turn["speaker"]) for word in words.normal(turn["text"], language)]
    return pairs


def speaker_of_words(said, turns, language):
    """Of the words that were heard rightly: how many are with the right speaker, in the best matching."""
    wanted, heard = labelled(in_order(said), language), labelled(turns, language)
    pairs = words.aligned([word for word, _ in wanted], [word for word, _ in heard])
    both = {}
    for i, j in pairs:
        if i is not None and j is not None and wanted[i][0] == heard[j][0]:
            key = (wanted[i][1], heard[j][1])
            both[key] = both.get(key, 0) + 1
    names = speakers(said)
    right = max(sum(both.get(pair, 0) for pair in zip(names, matching)) for matching in matchings(names, speakers(turns)))
    return {"right": right, "of": sum(both.values())}


def known_words(turn):
    """(word, start, end, speaker, about when) of a turn of the reference; start and end are None where its words have no times: they say
    which of the words that were heard are not those that have.
    """
    if turn.get("words"):
        return [(word["w"], word["s"], word["e"], turn["speaker"], word["s"]) for word in turn["words"]]
    pieces, start, end = turn["text"].split(), turn["start"] or 0, turn["end"] or turn["start"] or 0
    return [(piece, None, None, turn["speaker"], start + (end - start) * at / len(pieces)) for at, piece in enumerate(pieces)]


def word_times(said, turns, language):
    """Differences (s) of starts and ends of words that both sides have; of first and last words of turns where the analysis has no more."""
    wanted = [word for turn in in_order(said) for word in known_words(turn)]
    if all(word[1] is None for word in wanted):
        return None
    wanted.sort(key=lambda word: word[4])
    whole = any(turn.get("words") for turn in turns)
    if whole:
        heard = [(word["text"], word["start_s"], word["end_s"], turn["speaker"]) for turn in turns for word in turn.get("words") or ()]
    else:
        heard = []
        for turn in turns:
            pieces = turn["text"].split()
            if turn["start_s"] is None or not pieces:
                continue
            heard += [
                (piece, turn["start_s"] if at == 0 else None, turn["end_s"] if at == len(pieces) - 1 else None, turn["speaker"])
                for at, piece in enumerate(pieces)
            ]
    starts, ends = [], []
    for ours, theirs in matched_lists(wanted, heard, language):
        keys = [[words.normal(word[0], language) for word in side] for side in (ours, theirs)]
        keys = [[key[0] if len(key) == 1 else None for key in side] for side in keys]
        # A word that is not one word normally matches nothing.
        for i, j in words.aligned([key or ("wanted", n) for n, key in enumerate(keys[0])], [key or ("heard", n) for n, key in enumerate(keys[1])]):
            if i is None or j is None or keys[0][i] is None or keys[0][i] != keys[1][j] or ours[i][1] is None:
                continue
            if theirs[j][1] is not None:
                starts.append(theirs[j][1] - ours[i][1])
            if theirs[j][2] is not None:
                ends.append(theirs[j][2] - ours[i][2])
    if not starts or not ends:
        return None
    return {"of": "words" if whole else "turns", "starts": starts, "ends": ends}


def matched_lists(wanted, heard, language):
    """By speaker where both have the same number of speakers (talk at once has no one order), else all in one."""
    names = [list(dict.fromkeys(word[3] for word in side)) for side in (wanted, heard)]
    if len(names[0]) != len(names[1]) or len(names[0]) == 1:
        return [(wanted, heard)]
    normal = lambda side: words.normal(" ".join(word[0] for word in side), language)  # noqa: E731
    best = None
    for matching in itertools.permutations(names[1]):
        lists = [([w for w in wanted if w[3] == a], [h for h in heard if h[3] == b]) for a, b in zip(names[0], matching)]
        cost = sum(sum(words.errors(normal(a), normal(b))) for a, b in lists)
        if best is None or cost < best[0]:
            best = (cost, lists)
    return best[1]


def of_times(differences):
    """Median and 95 % of the sizes of differences, and the median with its sign (ms)."""
    sizes = sorted(abs(each) for each in differences)
    return {
        "words": len(sizes),
        "median_ms": round(1000 * statistics.median(sizes)),
        "p95_ms": round(1000 * sizes[min(len(sizes) - 1, int(0.95 * len(sizes)))]),
        "bias_ms": round(1000 * statistics.median(differences)),
    }


def spans_of(reference):
    if reference.get("spans"):
        return [(each["start"], each["end"], each["speaker"]) for each in reference["spans"]]
    if all(turn["start"] is not None for turn in reference["turns"]):
        return [(turn["start"], turn["end"], turn["speaker"]) for turn in reference["turns"]]
    return None


def diarization(wanted, heard):
    """Seconds of speech (of each speaker, talk at once counted for both), missed, added and given to another speaker.

    Frames of 10 ms; those within 0.25 s of a known start or end do not count."""
    heard = [each for each in heard if each[0] is not None]
    length = int(max(end for _, end, _ in wanted + heard) / FRAME_S) + 2
    names = [list(dict.fromkeys(each[2] for each in side)) for side in (wanted, heard)]
    frames = []
    for side, order in zip((wanted, heard), names):
        table = [0] * length
        for start, end, name in side:
            bit = 1 << order.index(name)
            for at in range(round(start / FRAME_S), round(end / FRAME_S)):
                table[at] |= bit
        frames.append(table)
    scored = bytearray(b"\x01" * length)
    for start, end, _ in wanted:
        for edge in (start, end):
            for at in range(max(0, round((edge - COLLAR_S) / FRAME_S)), min(length, round((edge + COLLAR_S) / FRAME_S))):
                scored[at] = 0
    counts = {}
    for at in range(length):
        if scored[at]:
            key = (frames[0][at], frames[1][at])
            counts[key] = counts.get(key, 0) + 1
    best = None
    for matching in matchings(range(len(names[0])), range(len(names[1]))):
        missed = added = other = total = 0
        for (a, b), count in counts.items():
            a_size, b_size = a.bit_count(), b.bit_count()
            right = sum(1 for i, j in enumerate(matching) if j is not None and a >> i & 1 and b >> j & 1)
            total += a_size * count
            missed += max(0, a_size - b_size) * count
            added += max(0, b_size - a_size) * count
            other += (min(a_size, b_size) - right) * count
        if best is None or missed + added + other < best[0]:
            best = (missed + added + other, missed, added, other, total)
    _, missed, added, other, total = best
    seconds = {"speech": total, "missed": missed, "added": added, "other": other}
    return {key: round(value * FRAME_S, 2) for key, value in seconds.items()} | {"speakers": [len(names[0]), len(names[1])]}


def at_once(wanted, overlaps):
    """Seconds in which two or more speak: known, marked, and marked where it is known. Frames of 10 ms, none left out."""
    frames = lambda start, end: range(round(start / FRAME_S), round(end / FRAME_S))
    counts = {}
    for start, end, _ in wanted:
        for at in frames(start, end):
            counts[at] = counts.get(at, 0) + 1
    known = {at for at, count in counts.items() if count > 1}
    marked = {at for overlap in overlaps for at in frames(overlap["start_s"], overlap["end_s"])}
    sizes = {"known": len(known), "marked": len(marked), "right": len(known & marked)}
    return {key: round(value * FRAME_S, 2) for key, value in sizes.items()}


def der(parts):
    """Diarization error rate in percent of many recordings together."""
    total = sum(each["speech"] for each in parts)
    return 100 * sum(each["missed"] + each["added"] + each["other"] for each in parts) / total if total else None
