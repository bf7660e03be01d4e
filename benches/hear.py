#!/usr/bin/env -S python3 -B
"""How well and how fast we hear: words, times, live calls, speakers, sound without words; beside faster-whisper with the same weights.

    benches/hear.py --binary target/release/dealstage               everything, about two hours
    benches/hear.py --binary … --quick                              a few minutes of each language: words and time only
    benches/hear.py --binary … --part noise --json hear.json
    benches/hear.py score --json ANALYSIS.json --ref target/hear/corpus/NAME.json

Ours is the whole of `dealstage analyze FILE --json`, from start to end of the process; theirs is the transcription alone. Both have
the same number of threads and take turns, so that a drift of the machine hits both; ratios are of neighbouring runs.
"""

import argparse
import asyncio
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benches/hear"))
import places  # noqa: E402
import score  # noqa: E402
import words  # noqa: E402

SETTINGS = ("beam 5", "beam 1", "batched 8, beam 1", "beam 5, VAD")
NO_SPEECH = "no speech"
PARTS = ("words", "last", "live", "speakers", "noise", "names")


def run():
    if sys.argv[1:2] == ["score"]:
        return score_one(sys.argv[2:])
    sys.stdout.reconfigure(line_buffering=True)
    options = arguments()
    report = {"binary": str(options.binary), "threads": options.threads}
    import corpus

    # Names have sentences of their own.
    items = corpus.listed() if options.part == ["names"] else corpus.make()
    for part in options.part:
        report[part] = globals()[f"{part}_part"](items, options)
        if options.json:
            options.json.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true", help="the short recordings, words and time only, beam 5 and beam 1 of theirs")
    parser.add_argument("--part", choices=PARTS, action="append", help="may be repeated [default: all]")
    parser.add_argument("--lang", choices=["en", "ru"], help="one language only")
    parser.add_argument("--name", help="only recordings whose name has this in it")
    parser.add_argument("--setting", choices=SETTINGS, action="append", help="of theirs; may be repeated [default: all]")
    parser.add_argument("--alone", action="store_true", help="ours alone: no comparison")
    parser.add_argument("--rounds", type=int, default=1, help="pairs of runs of each recording and setting")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, help="write all figures to this file")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the analyses")
    options = parser.parse_args()
    options.part = options.part or (["words"] if options.quick else list(PARTS))
    options.setting = options.setting or list(SETTINGS[:2] if options.quick else SETTINGS)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    return options


def is_asked(item, options):
    return (not options.lang or item["lang"] == options.lang) and (not options.name or options.name in item["name"])


def chosen(items, options, *kinds):
    return [item for item in items if item["kind"] in kinds and item["quick"] == options.quick and is_asked(item, options)]


def audio(item):
    return places.CORPUS / f"{item['name']}.flac"


def ours(item, options):
    """The analysis of a recording, and the time that the process took: seconds of the clock, seconds of processors."""
    analysis, times = analysed(audio(item), options)
    if options.keep:
        (options.keep / f"{item['name']}.json").write_text(json.dumps(analysis, ensure_ascii=False, indent=1), encoding="utf-8")
    return analysis, times


def analysed(path, options, quiet=False, process=None):
    command = [str(options.binary), "analyze", str(path), "--json", "--quiet", "--threads", str(options.threads)]
    command += ["--process", str(process)] if process else []
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    times = seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode == 0:
        return json.loads(done.stdout), times
    # A recording in which nobody speaks is bad input, and said to be.
    if NO_SPEECH not in done.stderr:
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    if not quiet:
        print(f"{path.name}: {done.stderr.strip()}", file=sys.stderr)
    return {"turns": []}, times


class Theirs:
    """One process of theirs for all requests."""

    def __init__(self, threads):
        model = places.whisper_base()
        environment = {**os.environ, "PYTHONPATH": str(places.environment("python", places.THEIRS)), "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-B", str(ROOT / "benches/hear/theirs.py"), str(model), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def hear(self, item, setting, channel=None):
        return self.hear_file(audio(item), item["lang"], setting, channel)

    def hear_file(self, path, language, setting, channel=None):
        request = {"path": str(path), "channel": channel, "lang": language, "setting": setting}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("faster-whisper ended")
        return json.loads(answer)


def words_part(items, options):
    """Words and time, ours and theirs in turns."""
    rows = []
    theirs = None if options.alone else Theirs(options.threads)
    for item in chosen(items, options, "prompts", "call", "real"):
        first = None
        runs = [(None, None)] if options.alone else []
        for _ in range(options.rounds if not options.alone else 0):
            for setting in options.setting:
                runs.append((setting, None))
                # Each channel by itself: only with the settings that people start with.
                if item["channels"] == 2 and setting in SETTINGS[:2]:
                    runs.append((setting, "each"))
        for setting, channels in runs:
            analysis, (our_seconds, our_cpu) = ours(item, options)
            if first is None:
                first = analysis
                figures = score.score(analysis, item)
                rows.append({"name": item["name"], "who": "ours", **about(item), "time": our_seconds, "cpu": our_cpu, **figures})
                say(rows[-1])
            elif [turn["text"] for turn in first["turns"]] != [turn["text"] for turn in analysis["turns"]]:
                print(f"{item['name']}: heard differently the second time", file=sys.stderr)
            if setting is None:
                continue
            parts = [theirs.hear(item, setting, channel) for channel in ([None] if channels is None else [0, 1])]
            row = {"name": item["name"], "who": setting if channels is None else f"{setting}, each channel", **about(item)}
            row |= {"time": sum(part["seconds"] for part in parts), "ours": our_seconds}
            row |= {"cpu": sum(part["cpu"] for part in parts), "ours_cpu": our_cpu}
            row |= theirs_words(item, parts)
            rows.append(row)
            say(row)
    tables(rows)
    return rows


def last_part(items, options):
    """Sentences that are cut right after the last word: is it there?"""
    rows = []
    for item in chosen(items, options, "last"):
        analysis, _ = ours(item, options)
        wanted = score.normal_of(item["turns"], item["lang"])
        heard = score.normal_of(analysis["turns"], item["lang"])
        row = {"name": item["name"], "lang": item["lang"], "there": heard[-1:] == wanted[-1:], "words": score.counted(wanted, heard)}
        # Heard wrongly is not lost: a last word that something stands for.
        row["stands"] = bool(wanted) and words.aligned(wanted, heard)[-1][1] is not None
        rows.append(row | {"wanted": wanted[-1], "heard": (heard or [""])[-1]})
        if not row["there"]:
            print(f"{item['name']}: {rows[-1]['wanted']} is {rows[-1]['heard'] or 'nothing'}")
    print("\nlast words of sentences that are cut right after them")
    for language in dict.fromkeys(row["lang"] for row in rows):
        mine = [row for row in rows if row["lang"] == language]
        print(
            f"  {language}: {sum(row['there'] for row in mine)} of {len(mine)} right, {sum(row['stands'] for row in mine)} right or"
            f" heard as another word; word errors {rate(mine, 'words')} %"
        )
    return rows


def live_part(items, options):
    """The short recordings, told at the speed of a mouth: as many words right as where the file is analysed?"""
    import live
    import service

    places.use_speech()
    import soundfile

    rows = []
    with tempfile.TemporaryDirectory(prefix="dealstage-live-", dir="/var/tmp") as folder:
        server = service.Service(options.binary, service.storage("sqlite", pathlib.Path(folder)))
        server.start()
        try:
            for item in items:
                if not item["quick"] or not is_asked(item, options):
                    continue
                sound, rate = soundfile.read(str(audio(item)), always_2d=True, dtype="int16")
                heard, _, _ = asyncio.run(live.speak(server, sound, rate, "pcm", item["lang"]))
                _, told = heard.check(item["name"])
                stored, _ = ours(item, options)
                row = {"name": item["name"], **about(item)}
                # Live nobody tells the speakers of one channel apart.
                keys = ("words",) if item["channels"] == 1 else ("words", "words_by_speaker")
                for who, analysis in (("live", told), ("stored", stored)):
                    row[who] = {key: count for key, count in score.score(analysis, item).items() if key in keys}
                rows.append(row)
                print(live_line(item["name"], [row]), flush=True)
        finally:
            server.kill()
    print("\nwords wrong, live and of the stored recording")
    for language in dict.fromkeys(row["lang"] for row in rows):
        print(live_line(language, [row for row in rows if row["lang"] == language]))
    return rows


def live_line(label, rows):
    text = f"  {label:<28}"
    for key, what in (("words", "in one order"), ("words_by_speaker", "by channel")):
        mine = [row for row in rows if key in row["live"]]
        if mine:
            text += "  " + ", ".join(f"{who} {score.wer([row[who][key] for row in mine]):.1f} %" for who in ("live", "stored")) + f" ({what})"
    return text


def speakers_part(items, options):
    """Who speaks, on one channel: of calls mixed to one, and of recordings with the times of people."""
    rows = []
    for item in chosen(items, options, "call", "mixed", "quiet", "real", "speakers"):
        spans = score.spans_of(item)
        if item["channels"] != 1 or len({turn["speaker"] for turn in item["turns"] or item["spans"]}) < 2:
            continue
        analysis, _ = ours(item, options)
        figures = score.score(analysis, item)
        row = {"name": item["name"], **about(item), "what": item["what"]}
        row |= {key: figures[key] for key in ("words", "words_by_speaker", "speaker_of_words", "diarization", "at_once") if key in figures}
        row["speakers"] = [len({span[2] for span in spans}) if spans else None, len(score.speakers(analysis["turns"]))]
        rows.append(row)
        print(speakers_line(row["name"], [row]), flush=True)
    print("\nwho speaks: DER (0.25 s around known edges left out, talk at once counted), right words with the right speaker, cpWER")
    groups = [(f"{language}, {kind}", language, kind) for language, kind in dict.fromkeys((row["lang"], row["kind"]) for row in rows)]
    for label, language, kind in groups:
        print(speakers_line(label, [row for row in rows if (row["lang"], row["kind"]) == (language, kind)]))
    return rows


def speakers_line(label, rows):
    parts = [row["diarization"] for row in rows if "diarization" in row]
    text = f"  {label:<28}"
    if parts:
        total = sum(part["speech"] for part in parts)
        shares = ", ".join(f"{key} {100 * sum(part[key] for part in parts) / total:.1f}" for key in ("missed", "added", "other"))
        text += f" DER {score.der(parts):5.1f} % ({shares})"
    both = [row["at_once"] for row in rows if "at_once" in row]
    if both:
        known, marked, right = (sum(each[key] for each in both) for key in ("known", "marked", "right"))
        text += f"  at once {known:.1f} s (marked {marked:.1f}, right {right:.1f})"
    said = [row["speaker_of_words"] for row in rows if "speaker_of_words" in row]
    if said:
        text += f"  words {100 * sum(part['right'] for part in said) / max(1, sum(part['of'] for part in said)):.1f} %"
        text += f"  cpWER {rate(rows, 'words_by_speaker')} %  (WER {rate(rows, 'words')} %)"
    right = sum(row["speakers"][0] == row["speakers"][1] for row in rows if row["speakers"][0])
    known = sum(row["speakers"][0] is not None for row in rows)
    return text + (f"  number of speakers right in {right} of {known}" if known > 1 else f"  speakers {rows[0]['speakers'][1]} ({rows[0]['speakers'][0]})")


def noise_part(items, options):
    """Words where nobody speaks."""
    import noise

    rows = []
    theirs = None if options.alone else Theirs(options.threads)
    for item in noise.make():
        if options.name and options.name not in item["name"]:
            continue
        path = noise.FOLDER / item["file"]
        analysis, (seconds, _) = analysed(path, options, quiet=True)
        row = {"name": item["name"], "seconds": item["seconds"], "time": seconds}
        row["ours"] = [turn["text"] for turn in analysis["turns"]]
        for setting in ("beam 5", "beam 5, VAD") if theirs else ():
            row[setting] = [part[2].strip() for part in theirs.hear_file(path, "en", setting)["segments"]]
        rows.append(row)
        counts = ", ".join(f"{who} {said(row[who])}" for who in ("ours", "beam 5", "beam 5, VAD") if who in row)
        print(f"{item['name']:<28} {item['seconds']:6.0f} s {row['time']:7.1f} s  words: {counts}", flush=True)
        for text in row["ours"]:
            print(f"    {text}")
    print("\nwords where nobody speaks")
    for who in ("ours", "beam 5", "beam 5, VAD"):
        mine = [row for row in rows if who in row]
        if mine:
            total, minutes = sum(said(row[who]) for row in mine), sum(row["seconds"] for row in mine) / 60
            files = sum(said(row[who]) > 0 for row in mine)
            print(f"  {who:<16} {total} words in {minutes:.0f} minutes, in {files} of {len(mine)} files")
    return rows


def names_part(items, options):
    """Names of products and competitors, with and without a process that names them."""
    import names

    rows = []
    quiet = [item for item in items if item["quick"] and item["kind"] in ("call", "prompts")]
    for item in [*names.make(), *quiet]:
        if not is_asked(item, options):
            continue
        settings, told = names.processes(options.binary, item["lang"])
        for setting, process in settings.items():
            analysis, (_, cpu) = analysed(item.get("path") or audio(item), options, quiet=True, process=process)
            row = {"name": item["name"], "lang": item["lang"], "setting": setting, "cpu": cpu}
            if "sentences" in item:
                row |= names.judged(item, analysis)
                text = f"names {row['right']} of {row['names']}, other words wrong {row['errors']} of {row['rest']}"
            else:
                counts = score.score(analysis, item)["words"]
                row |= {"invented": names.invented(analysis, item["lang"], told), "words": counts}
                text = f"no name is said: {row['invented']} invented, errors {score.wer([counts]):.1f} %"
            rows.append(row)
            print(f"{item['name']:<28} {setting:<22} {text}", flush=True)
    print("\nnames of products and competitors: right, errors of the words beside them; where none is said: names invented, errors")
    for language, setting in dict.fromkeys((row["lang"], row["setting"]) for row in rows):
        mine = [row for row in rows if (row["lang"], row["setting"]) == (language, setting)]
        total = {key: sum(row.get(key, 0) for row in mine) for key in ("names", "right", "rest", "errors", "invented", "cpu")}
        share = lambda part, whole: f"{100 * total[part] / max(1, total[whole]):5.1f} %"  # noqa: E731
        wer = score.wer([row["words"] for row in mine if "words" in row])
        print(
            f"  {language}, {setting:<22} {share('right', 'names')} of {total['names']}, {share('errors', 'rest')} of {total['rest']};"
            f" {total['invented']}, {'–' if wer is None else f'{wer:.1f}'} %; {total['cpu']:.0f} s of processors"
        )
    return rows


def said(texts):
    """Number of words as they stand."""
    return sum(len(text.split()) for text in texts)


def about(item):
    return {key: item[key] for key in ("lang", "kind", "channels", "seconds")}


def theirs_words(item, parts):
    """Errors of theirs: of the mixdown in one order, of channels by channel."""
    if len(parts) == 1:
        return {"words": score.counted(score.normal_of(score.in_order(item["turns"]), item["lang"]), words.normal(parts[0]["text"], item["lang"]))}
    counts = []
    for channel, part in enumerate(parts):
        turns = [turn for turn in score.in_order(item["turns"]) if turn["channel"] == channel]
        counts.append(score.counted(score.normal_of(turns, item["lang"]), words.normal(part["text"], item["lang"])))
    return {"words_by_speaker": {key: sum(each[key] for each in counts) for key in counts[0]}}


def say(row):
    text = f"{row['name']:<28} {row['who']:<22} {row['time']:7.1f} s"
    if "ours" in row:
        text += f"  ours/theirs {row['ours'] / row['time']:5.2f}"
    for key in ("words", "words_by_speaker"):
        if key in row:
            text += f"  {key.replace('_', ' ')} {score.wer([row[key]]):5.1f} %"
    print(text, flush=True)


def tables(rows):
    """Errors by language and kind; ratios of neighbouring runs."""
    names = list(dict.fromkeys(row["who"] for row in rows))
    groups = list(dict.fromkeys((row["lang"], row["kind"], row["channels"]) for row in rows))
    print("\nword errors (%): words in one order / by channel or speaker")
    for language in dict.fromkeys(row["lang"] for row in rows):
        kinds = [group for group in groups if group[0] == language]
        print(f"  {language:<28}" + "".join(f"{f'{kind}, {channels} ch':>18}" for _, kind, channels in kinds) + f"{'all':>18}")
        for name in names:
            cells = []
            for group in [*kinds, None]:
                mine = [row for row in rows if row["who"] == name and row["lang"] == language]
                mine = [row for row in mine if group is None or (row["lang"], row["kind"], row["channels"]) == group]
                cells.append(" / ".join(rate(mine, key) for key in ("words", "words_by_speaker")))
            print(f"  {name:<28}" + "".join(f"{cell:>18}" for cell in cells))
    print("\ntime, ours / theirs, of neighbouring runs (under 1: we are faster)")
    print(f"  {'theirs':<28}{'recordings':<14}{'pairs':>6}{'median':>8}{'least':>8}{'most':>8}{'all time':>10}{'all CPU':>9}{'ours RTF':>10}{'theirs RTF':>12}")
    for name in names:
        for label, least in (("1 channel", 1), ("2 channels", 2), ("all", None)):
            mine = [row for row in rows if row["who"] == name and "ours" in row and least in (None, row["channels"])]
            if not mine:
                continue
            ratios = [row["ours"] / row["time"] for row in mine]
            our_time, their_time, our_cpu, their_cpu, length = (
                sum(row[key] for row in mine) for key in ("ours", "time", "ours_cpu", "cpu", "seconds")
            )
            print(
                f"  {name:<28}{label:<14}{len(mine):>6}{statistics.median(ratios):>8.2f}{min(ratios):>8.2f}{max(ratios):>8.2f}"
                f"{our_time / their_time:>10.2f}{our_cpu / their_cpu:>9.2f}{our_time / length:>10.3f}{their_time / length:>12.3f}"
            )
    for language in dict.fromkeys(row["lang"] for row in rows):
        told = [row["times"] for row in rows if row["lang"] == language and "times" in row]
        if told:
            for key in ("starts", "ends"):
                figures = score.of_times([each for one in told for each in one[key]])
                print(f"\n  {language}: {key} of {told[0]['of']}: " + ", ".join(f"{name} {value}" for name, value in figures.items()), end="")
    print()


def rate(rows, key):
    """One row of each recording: the second round has the same words."""
    unique = {row["name"]: row[key] for row in rows if key in row}
    return f"{score.wer(list(unique.values())):.1f}" if unique else "–"


def score_one(argv):
    parser = argparse.ArgumentParser(prog="hear.py score")
    parser.add_argument("--json", type=pathlib.Path, required=True, help="an analysis")
    parser.add_argument("--ref", type=pathlib.Path, required=True, help="its reference: target/hear/corpus/NAME.json")
    parser.add_argument("--differences", action="store_true", help="print the words that differ")
    options = parser.parse_args(argv)
    analysis = json.loads(options.json.read_text(encoding="utf-8"))
    reference = json.loads(options.ref.read_text(encoding="utf-8"))
    figures = score.score(analysis, reference)
    for key in ("words", "words_by_speaker"):
        if key in figures:
            figures[key]["wer"] = round(score.wer([figures[key]]), 2)
    if "diarization" in figures:
        figures["diarization"]["der"] = round(score.der([figures["diarization"]]), 2)
    if "times" in figures:
        times = figures["times"]
        figures["times"] = {"of": times["of"]} | {key: score.of_times(times[key]) for key in ("starts", "ends")}
    print(json.dumps(figures, indent=1))
    if options.differences:
        wanted = score.normal_of(score.in_order(reference["turns"]), reference["lang"])
        heard = score.normal_of(analysis["turns"], reference["lang"])
        for i, j in words.aligned(wanted, heard):
            if i is None or j is None or wanted[i] != heard[j]:
                print(f"{'–' if i is None else wanted[i]:>24} | {'–' if j is None else heard[j]}")


if __name__ == "__main__":
    run()
