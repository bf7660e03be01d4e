"""Names of products and competitors: are they heard better where the process names them, and at what cost?

Sentences with invented and real names are spoken by the synthetic voices, over a telephone line and without it, under `target/hear/names`;
besides, calls of the corpus in which none of the names is said. Each is analysed with the process as it comes along, with one that
names what is said, and with one that names forty, of which half are never said.
"""

import json
import subprocess

import places
import words

VERSION = 1
FOLDER = places.HOME / "names"
VOICES = {"en": ("SLT", "BDL", "CLB"), "ru": ("Anna", "Aleksandr", "Irina")}
# {As it is written} or {as it is written|as it is said}.
SENTENCES = {
    "en": [
        "Right now we schedule the vans in {Jobber}, and before that it was {ServiceTitan|service titan}.",
        "How is {Docketry} different from what {Parrotline|parrot line} offers?",
        "Our accountant keeps everything in {Ledgerling}.",
        "We had a demo of {Opsdune|ops dune} in March and the team liked it.",
        "If {Frostwatch|frost watch} can read our old sensors, we would switch from {Emerson}.",
        "The payroll sits in {Tallyroot|tally root}, and nobody wants to touch it.",
        "I saw {Curewise|cure wise} at the trade fair in June.",
        "They quoted us for {Latchguard|latch guard}, but {Meridio} was cheaper.",
        "Does {Truebucket|true bucket} work with a {Volvo} loader?",
        "My boss asked whether {Huelight|hue light} or {Tomra} is faster.",
        "We pay {Zendesk|zen desk} forty dollars a seat.",
        "{Pipedrive|pipe drive} is fine, but the reports are weak.",
        "The old contract with {Ferrymead|ferry mead} ends in October.",
        "Somebody at the office mentioned {Auditree|audit tree} last week.",
        "We moved from {Kantola} to {Docketry} two years ago.",
        "Is {Ledgerling} certified, like {Xero|zero} is?",
        "Before {Opsdune|ops dune} we had a spreadsheet and a lot of telephone calls.",
        "The drivers hated {Samsara}, so we stopped.",
        "What would it cost to bring {Tallyroot|tally root} and {Gusto} together?",
        "Send me the {Frostwatch|frost watch} brochure, please.",
        "With {Parrotline|parrot line} the pickers were ten percent faster.",
        "{Truebucket|true bucket} was the second on our list.",
        "We asked {Meridio} for a discount and they said no.",
        "And {Huelight|hue light}, do they have a service team in Ohio?",
    ],
    "ru": [
        "Сейчас мы ведём клиентов в {Битрикс24|битрикс двадцать четыре}, а раньше была таблица.",
        "Чем {ШинКонтроль|шин контроль} лучше, чем {Пульсар}?",
        "Нам показывали {Планфикс}, и он понравился бухгалтерии.",
        "У соседей стоит {Газстраж|газ страж}, они довольны.",
        "Мы сравнивали {Мегаплан} и {Аспро}, остановились на первом.",
        "Договор с {Агрослед|агрослед} заканчивается в октябре.",
        "А {Контур|контур} вы подключаете сами?",
        "Отчётность сдаём через {Диадок}, менять не хотим.",
        "На выставке видели {Чистодвор|чисто двор} и {СудоНасос|судо насос}.",
        "Вася говорил про {ПассажирПлюс|пассажир плюс} на прошлой неделе.",
        "Кассы у нас {Эвотор}, их двадцать штук.",
        "Нам присылали предложение от {Вязьма-Стир|вязьма стир}.",
        "Склад работает в программе {МойСклад|мой склад}.",
        "{ПаллетРемонт|паллет ремонт} просит предоплату, а вы?",
        "Если {Планфикс} интегрируется с телефонией, то вопросов нет.",
        "Водители ругали {Глонассофт|глонасс софт}, и мы отказались.",
        "Сколько стоит {ШинКонтроль|шин контроль} на сорок машин?",
        "{Газстраж|газ страж} у нас второй в списке.",
        "Пришлите описание {Чистодвор|чисто двор} на почту.",
        "После {Мегаплан} мы пробовали {Аспро}, но недолго.",
        "Нам нужна связка {Диадок} и {Эвотор}.",
        "Главный инженер хочет {СудоНасос|судо насос} или {Гидромаш}.",
        "В {ПассажирПлюс|пассажир плюс} нам обещали скидку.",
        "И ещё вопрос про {Агрослед|агрослед}: есть ли у них сервис в Перми?",
    ],
}
# Named, and never said.
OTHERS = {
    "en": "Salesforce, HubSpot, Monday, Asana, Workday, Rippling, Procore, Housecall Pro, Verizon Connect, Geotab, Cin7, Katana, Brightpearl, Toast, "
    "Lightspeed, Mindbody, Gainsight, Klaviyo",
    "ru": "amoCRM, Тензор, Такском, Эльба, Тинькофф, Моё дело, Галактика, Парус, Омникомм, Автограф, Каскад, Штрих-М, Атол, Сигнатура, Контакт-Плюс, "
    "Ростерминал, Гранит, Вектор",
}


def _each(text, choose):
    parts = text.replace("}", "{").split("{")
    return "".join(choose(*(part.split("|") * 2)[:2]) if at % 2 else part for at, part in enumerate(parts))


def names(text):
    return [part.split("|")[0] for part in text.replace("}", "{").split("{")[1::2]]


def make():
    """Recordings with names: {"name", "lang", "path", "sentences"}."""
    import corpus  # noqa: PLC0415
    import numpy  # noqa: PLC0415
    import soundfile  # noqa: PLC0415

    import sound as sounds  # noqa: PLC0415

    FOLDER.mkdir(parents=True, exist_ok=True)
    speaker, items = None, []
    for language, voices in VOICES.items():
        for number, voice in enumerate(voices):
            name = f"{language}-names-{voice.lower()}-{VERSION}"
            path = FOLDER / f"{name}.flac"
            items.append({"name": name, "lang": language, "path": path, "sentences": SENTENCES[language]})
            if path.exists():
                continue
            speaker = speaker or corpus.Speaker()
            pieces = [numpy.zeros(sounds.RATE // 2, numpy.float32)]
            for sentence in SENTENCES[language]:
                samples, _ = speaker.speak(_each(sentence, lambda written, said: said), voice, 1.1)
                pieces += [samples * 0.09 / corpus.loudness_of(samples), numpy.zeros(int(0.8 * sounds.RATE), numpy.float32)]
            track, rate = numpy.concatenate(pieces), sounds.RATE
            track = track + sounds.white(len(track), numpy.random.default_rng(number)) * 0.0006
            if number:
                track, rate = sounds.resampled(track, rate, 8000), 8000
                track = sounds.mu_law(sounds.band(track, rate))
            soundfile.write(str(path), numpy.clip(track, -1, 1), rate, subtype="PCM_16")
    return items


def processes(binary, language):
    """What the recogniser is told: the name of the setting, and the process file."""
    shown = subprocess.run([str(binary), "process", "show", "ppvvc"], capture_output=True, text=True, check=True).stdout
    said = list(dict.fromkeys(name for sentence in SENTENCES[language] for name in names(sentence)))
    others = OTHERS[language].split(", ")
    settings = {"no names": [], "those that are said": said, "and as many others": (said + others)[:40]}
    # In the order of a list that somebody keeps: not the order of the talk.
    return {setting: _file(f"{language}-{len(told)}", sorted(told), shown) for setting, told in settings.items()}, said + others


def _file(name, told, shown):
    path = FOLDER / f"{name}.toml"
    path.write_text(f"names = {json.dumps(told, ensure_ascii=False)}\n{shown}" if told else shown, encoding="utf-8")
    return path


def judged(item, analysis):
    """Names that are right (letters count, not blanks and case), and errors of the words beside them."""
    wanted, owner = [], []
    for sentence in item["sentences"]:
        for at, part in enumerate(sentence.replace("}", "{").split("{")):
            tokens = words.normal(part.split("|")[0], item["lang"])
            wanted += tokens
            owner += [(sentence, at) if at % 2 else None] * len(tokens)
    heard = words.normal(" ".join(turn["text"] for turn in analysis["turns"]), item["lang"])
    pairs = words.aligned(wanted, heard)
    # What was heard between the last right word before a name and the first behind it, in one.
    right = total = errors = rest = 0
    at = taken = 0
    while at < len(pairs):
        i, j = pairs[at]
        if i is None or owner[i] is None:
            rest += i is not None
            errors += i is None or j is None or wanted[i] != heard[j]
            at += 1
            continue
        end = at
        while end < len(pairs) and (pairs[end][0] is None or owner[pairs[end][0]] == owner[i]):
            end += 1
        # Words that were added right before belong to it too: a name may be heard as two.
        begin = at
        while begin > taken and pairs[begin - 1][0] is None:
            begin -= 1
            errors -= 1
        said = "".join(wanted[each] for each, _ in pairs[at:end] if each is not None)
        got = "".join(heard[each] for _, each in pairs[begin:end] if each is not None)
        total += 1
        right += said == got
        at = taken = end
    return {"names": total, "right": right, "rest": rest, "errors": errors}


def invented(analysis, language, told):
    """How often a name stands where none was said."""
    heard = " " + " ".join(words.normal(" ".join(turn["text"] for turn in analysis["turns"]), language)) + " "
    return sum(heard.count(" " + " ".join(words.normal(name, language)) + " ") for name in told)
