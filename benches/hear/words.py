"""Words to compare: one writing for both recognisers and the reference, and the errors between two lists of words.

What is made equal, in this order: case; ё and е; fillers (uh, um, эм, ммм) left out; English contractions written out, doin' as doing; numbers,
whether digits or words, cardinal or ordinal, in any case and gender, as digits, and adjacent numbers as one ("twelve thirty
four", "one two three four" and 1234 are one word); % and signs of money as words, in one grammatical form; punctuation and
hyphens left out.
"""

import re
import unicodedata

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*|[%$€₽&+]")
_FILLER = re.compile(r"(?:u+h+|u+m+|e+r+m*|h+m+|m{2,}|m+h+m+|a+h+|э+м*|м{2,}|хм+|гм+)$")

_SIGNS = {
    "en": {"%": "percent", "$": "dollar", "€": "euro", "₽": "ruble", "&": "and", "+": "plus"},
    "ru": {"%": "процент", "$": "доллар", "€": "евро", "₽": "рубль", "&": "и", "+": "плюс"},
}
_SAME = {
    "en": {
        "okay": "ok",
        "alright": "all right",
        "gonna": "going to",
        "wanna": "want to",
        "gotta": "got to",
        "cause": "because",
        "mr": "mister",
        "mrs": "missus",
        "dr": "doctor",
        "cannot": "can not",
        "dollars": "dollar",
        "percents": "percent",
        "o'clock": "oclock",
        "em": "them",
        "voicemail": "voice mail",
        "login": "log in",
        "touchtone": "touch tone",
    },
    "ru": {
        "окей": "ок",
        "ok": "ок",
        "okay": "ок",
        "щас": "сейчас",
        "тыщ": "тысяч",
        "тыс": "тысяч",
        "млн": "миллион",
        "руб": "рубль",
        "р": "рубль",
        "здрасьте": "здравствуйте",
        "здрасте": "здравствуйте",
    },
}
_PARTS = {"m": "am", "re": "are", "ll": "will", "ve": "have", "d": "would"}
_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def _english():
    table = {word: number for number, word in enumerate(_UNITS)}
    table |= {word: 10 * number for number, word in enumerate(_TENS) if number > 1}
    table |= {word + "th": number for word, number in table.items()}
    table |= {word[:-3] + "ieth": number for word, number in table.items() if word.endswith("yth")}
    table |= {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12, "oh": 0}
    table |= {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
    return table | {"hundredth": 100, "thousandth": 1000, "millionth": 10**6, "thousands": 1000, "millions": 10**6, "hundreds": 100}


# Stem and endings of Russian numbers; a word is a number when the whole of it is.
_ADJECTIVE = "(?:ый|ий|ой|ая|ое|ого|ому|ым|ом|ую|ые|ых|ыми)"
_RUSSIAN = [
    (0, rf"нол[ьяюе]м?|нул[ьяюе]м?|нулев{_ADJECTIVE}"),
    (1, rf"один|одн(?:а|о|у|ого|ому|ой|им|ом)|перв{_ADJECTIVE}"),
    (2, rf"дв(?:а|е|ух|ум|умя)|втор{_ADJECTIVE}"),
    (3, rf"тр(?:и|ех|ем|емя)|трет(?:ий|ь(?:я|е|его|ему|им|ем|ей|ю|и|их|ими))"),
    (4, rf"четыр(?:е|ех|ем|ьмя)|четверт{_ADJECTIVE}"),
    (5, rf"пят(?:ь|и|ью)|пят{_ADJECTIVE}"),
    (6, rf"шест(?:ь|и|ью)|шест{_ADJECTIVE}"),
    (7, rf"сем(?:ь|и|ью)|седьм{_ADJECTIVE}"),
    (8, rf"вос(?:емь|ьми|емью|ьмью)|восьм{_ADJECTIVE}"),
    (9, rf"девят(?:ь|и|ью)|девят{_ADJECTIVE}"),
    (10, rf"десят(?:ь|и|ью)|десят{_ADJECTIVE}"),
    (40, rf"сорок(?:а|ов{_ADJECTIVE})?"),
    (50, rf"п(?:ять|яти|ятью)десят(?:и|ью)?|пятидесят{_ADJECTIVE}"),
    (60, rf"шест(?:ь|и|ью)десят(?:и|ью)?|шестидесят{_ADJECTIVE}"),
    (70, rf"сем(?:ь|и|ью)десят(?:и|ью)?|семидесят{_ADJECTIVE}"),
    (80, rf"вос(?:емь|ьми|емью)десят(?:и|ью)?|восьмидесят{_ADJECTIVE}"),
    (90, rf"девяност(?:о|а)|девяност{_ADJECTIVE}"),
    (100, rf"ст(?:о|а)|сот{_ADJECTIVE}"),
    (200, rf"двести|двухсот{_ADJECTIVE}?|двумстам"),
    (300, rf"триста|трехсот{_ADJECTIVE}?|тремстам"),
    (400, rf"четыреста|четырехсот{_ADJECTIVE}?"),
    (500, rf"пятьсот|пятисот{_ADJECTIVE}?"),
    (600, rf"шестьсот|шестисот{_ADJECTIVE}?"),
    (700, rf"семьсот|семисот{_ADJECTIVE}?"),
    (800, rf"восемьсот|восьмисот{_ADJECTIVE}?"),
    (900, rf"девятьсот|девятисот{_ADJECTIVE}?"),
    (1000, rf"тысяч(?:а|и|у|е|ей|ам|ами|ах)?|тысячн{_ADJECTIVE}"),
    (10**6, rf"миллион(?:а|у|ом|е|ы|ов|ам|ами|ах)?|миллионн{_ADJECTIVE}"),
    (10**9, rf"миллиард(?:а|у|ом|е|ы|ов|ам|ами|ах)?"),
]
_RUSSIAN += [
    (10 + unit, rf"{stem}надцат(?:ь|и|ью|{_ADJECTIVE})")
    for unit, stem in enumerate("один две три четыр пят шест сем восем девят".split(), 1)
]
_RUSSIAN += [(20, rf"двадцат(?:ь|и|ью|{_ADJECTIVE})"), (30, rf"тридцат(?:ь|и|ью|{_ADJECTIVE})")]
_RUSSIAN = [(number, re.compile(f"(?:{pattern})$")) for number, pattern in _RUSSIAN]
_ENGLISH = _english()
_MONEY_RU = [(re.compile(r"процент\w*$"), "процент"), (re.compile(r"доллар\w*$"), "доллар"), (re.compile(r"рубл\w*$"), "рубль")]
_known = {}


def _number(token, language):
    """The number that a word says, or None."""
    if token[0].isdigit():
        if re.fullmatch(r"\d{1,3}(?:,\d{3})+", token):
            return int(token.replace(",", ""))
        return int(token) if token.isdigit() else None
    if language == "en":
        return _ENGLISH.get(token)
    if token not in _known:
        _known[token] = next((number for number, pattern in _RUSSIAN if pattern.match(token)), None)
    return _known[token]


_SCALES = (1000, 10**6, 10**9)


def _least(number):
    """The unit of the last place that is not nought: 120 → 10, 15000 → 1000; teens count as units."""
    if number < 20 and number != 10:
        return 1
    unit = 1
    while number and number % (unit * 10) == 0:
        unit *= 10
    return unit


def _composed(run):
    """Of (number, whether written in digits): 2 1000 5 100 → 2500; 12 34 → 12, 34."""
    out, total, group, before = [], 0, 0, None
    for number, digits in run:
        scale = number in _SCALES and not digits
        if before is None:
            fits = False
        elif scale:
            fits = group > 0 and (total == 0 or number < _least(total))
        elif number == 100 and not digits:
            fits = 0 < group < 100
        elif group == 0:
            fits = before in _SCALES and number < before
        else:
            fits = not digits and 0 < number < _least(group) and (_least(group) >= 100 or number < 10)
        if not fits:
            if before is not None:
                out.append(total + group)
            total, group = (number, 0) if scale else (0, number)
        elif scale:
            total, group = total + group * number, 0
        elif number == 100 and 0 < group < 100:
            group *= 100
        else:
            group += number
        before = number
    return [*out, total + group]


def _numbers(tokens, language):
    """Runs of numbers become one token of digits."""
    out, at = [], 0
    while at < len(tokens):
        if _number(tokens[at], language) is None:
            token = tokens[at]
            if token[0].isdigit():
                token = token.replace(",", ".")
            out.append(token)
            at += 1
            continue
        run = []
        while at < len(tokens):
            number = _number(tokens[at], language)
            if number is None:
                # "two hundred and five"
                goes_on = tokens[at] == "and" and run and run[-1][0] in (100, 1000) and at + 1 < len(tokens)
                if goes_on and _number(tokens[at + 1], language) is not None:
                    at += 1
                    continue
                break
            run.append((number, tokens[at][0].isdigit()))
            at += 1
        out.append("".join(str(number) for number in _composed(run)))
    return out


def normal(text, language):
    """The words of `text`, written in one way."""
    text = text.replace("№", " number " if language == "en" else " номер ")
    text = unicodedata.normalize("NFKC", text).lower().replace("ё", "е")
    text = "".join(each for each in unicodedata.normalize("NFD", text) if each != "\u0301")
    text = unicodedata.normalize("NFC", text).replace("’", "'").replace("ʼ", "'").replace("‘", "'")
    if language == "en":
        text = re.sub(r"\b([a-z]{2,}in)'(?![a-z])", r"\1g", text)
        text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text)
    text = re.sub(r"(?<=\d)[\s\u00a0](?=\d{3}\b)", "", text)
    text = re.sub(r"(?<=\d)(?:st|nd|rd|th|-?(?:го|му|й|я|е|ая|ый|ой|ое|ого|ти|х|м))\b", "", text)
    text = re.sub(r"([$€₽])\s*(\d[\d.,]*)", r"\2 \1", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)", " ", text)
    tokens = []
    for token in _TOKEN.findall(text):
        token = _SIGNS[language].get(token, token)
        token = _SAME[language].get(token, token)
        for piece in token.split():
            tokens += _english_parts(piece) if language == "en" else [piece.replace("'", "")]
    tokens = [token for token in tokens if token and not _FILLER.match(token)]
    if language == "ru":
        tokens = [next((same for pattern, same in _MONEY_RU if pattern.match(token)), token) for token in tokens]
    return _numbers(tokens, language)


def _english_parts(token):
    if "'" not in token:
        return [token]
    if token in ("won't", "can't", "shan't"):
        return [{"won't": "will", "can't": "can", "shan't": "shall"}[token], "not"]
    if token.endswith("n't"):
        return [token[:-3], "not"]
    head, tail = token.split("'", 1)
    if head and tail in _PARTS:
        return [head, _PARTS[tail]]
    return [token.replace("'", "")]


def aligned(wanted, heard):
    """Pairs (index in `wanted`, index in `heard`), None for a word that the other side lacks: fewest errors."""
    width = len(heard) + 1
    back = [bytearray(width) for _ in range(len(wanted) + 1)]
    row = list(range(width))
    back[0][1:] = b"\x02" * len(heard)
    for i, word in enumerate(wanted, 1):
        above, row, moves = row, [i], back[i]
        moves[0] = 1
        for j, other in enumerate(heard, 1):
            best, move = above[j - 1] + (word != other), 0
            if above[j] + 1 < best:
                best, move = above[j] + 1, 1
            if row[j - 1] + 1 < best:
                best, move = row[j - 1] + 1, 2
            row.append(best)
            moves[j] = move
    pairs, i, j = [], len(wanted), len(heard)
    while i or j:
        move = back[i][j]
        if move == 0:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif move == 1:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def errors(wanted, heard):
    """Substituted, missing, added."""
    pairs = aligned(wanted, heard)
    missing = sum(j is None for _, j in pairs)
    added = sum(i is None for i, _ in pairs)
    wrong = sum(i is not None and j is not None and wanted[i] != heard[j] for i, j in pairs)
    return wrong, missing, added
