"""Writes the corpus of personal data: `python3 tests/personal/generate`. The same seed gives the same files."""

import random
from pathlib import Path

import negatives
import positives
from words import Half

SEED = "footfall"
CORPUS = Path(__file__).parent.parent / "corpus"
HEADER = "kind\twhere\tinput\tgone\tstays"

for which, name in enumerate(["known", "held_out"]):
    half = Half(which, SEED)
    rows = list(dict.fromkeys(str(row) for row in [*positives.rows(half), *negatives.rows(half)]))
    random.Random(SEED).shuffle(rows)
    (CORPUS / f"{name}.tsv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    hurt = sum(1 for row in rows if row.split("\t")[3])
    print(f"{name}: {hurt} positives, {len(rows) - hurt} negatives")
