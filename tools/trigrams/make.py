"""Writes `src/privacy/scrub/shapes/trigrams.bin`: how rare each three Latin letters in a row are in words.

    python3 tools/trigrams/make.py ENGLISH GERMAN RUSSIAN.dic

The lists are those of Debian's packages `wamerican`, `wngerman` and `hunspell-ru`, one word a line. Russian words count in two common
ways of writing them in Latin letters. Each three letters take two bits, from the lowest on: 0 when at least 500 words hold them, 1 from 100,
2 from 20, 3 for fewer.
"""

import collections
import itertools
import re
import string
import sys
from pathlib import Path

OUT = Path(__file__).parent.parent.parent / "src/privacy/scrub/shapes/trigrams.bin"
LIMITS = (500, 100, 20)
RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
SPELLINGS = [
    dict(zip(RUSSIAN, "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch  y  e yu ya".split(" "))),
    dict(zip(RUSSIAN, "a b v g d e yo zh z i j k l m n o p r s t u f h c ch sh sch  y  e ju ja".split(" "))),
]


def words(english, german, russian):
    for path in (english, german):
        for line in open(path, encoding="utf-8"):
            yield line.strip().lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")
    for line in open(russian, encoding="utf-8", errors="replace"):
        word = line.split("/")[0].strip().lower()
        if re.fullmatch(f"[{RUSSIAN}]+", word):
            for spelling in SPELLINGS:
                yield "".join(spelling[letter] for letter in word)


count = collections.Counter()
for word in dict.fromkeys(words(*sys.argv[1:])):
    if re.fullmatch("[a-z]+", word):
        count.update(word[at:at + 3] for at in range(len(word) - 2))
levels = [sum(count["".join(three)] < limit for limit in LIMITS) for three in itertools.product(string.ascii_lowercase, repeat=3)]
packed = bytes(sum(level << 2 * at for at, level in enumerate(levels[start:start + 4])) for start in range(0, len(levels), 4))
OUT.parent.mkdir(exist_ok=True)
OUT.write_bytes(packed)
