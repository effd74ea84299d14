"""The text: Python's own language reference as `help()` ships it, cleaned, split and turned into character ids."""

import hashlib
import platform
from dataclasses import dataclass
from pydoc_data.topics import topics

import torch

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
# Fixed, so that the token ids do not depend on the Python version: newline, printable ASCII, and one for all others.
CHARACTERS = "\n" + "".join(map(chr, range(32, 127))) + UNKNOWN
TO_ASCII = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})
HELD_OUT_SHARE = 0.1
SHORTEST_REPEAT = 40  # characters; a shorter paragraph ("Note:") may recur, a longer one is a copy


@dataclass(frozen=True, slots=True)
class Corpus:
    """Character ids, one int64 tensor per split; the held-out split is the contiguous end of the text."""

    train: torch.Tensor
    held_out: torch.Tensor
    sha256: str
    python: str


def encode(text: str) -> list[int]:
    ids = {character: index for index, character in enumerate(CHARACTERS)}
    return [ids.get(character, ids[UNKNOWN]) for character in text]


def load() -> Corpus:
    text = "\n\n".join(distinct_paragraphs()).translate(TO_ASCII)
    ids = torch.tensor(encode(text))
    cut = int(len(ids) * (1 - HELD_OUT_SHARE))
    return Corpus(ids[:cut], ids[cut:], hashlib.sha256(text.encode()).hexdigest(), platform.python_version())


def distinct_paragraphs() -> list[str]:
    """The topics quote each other at length. Keeping each paragraph once keeps the held-out text truly unseen."""
    seen: set[str] = set()
    kept: list[str] = []
    for name in sorted(topics):
        for paragraph in topics[name].strip().split("\n\n"):
            words = " ".join(paragraph.split())
            if len(words) >= SHORTEST_REPEAT and words in seen:
                continue
            seen.add(words)
            kept.append(paragraph)
    return kept
