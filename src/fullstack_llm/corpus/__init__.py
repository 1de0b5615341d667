"""Read the texts that ship with the course, as fixed bytes; `data/ORIGIN.md` says where they are from."""

from functools import cache
from importlib.resources import files

LANGUAGES: dict[str, str] = {
    "en": "English",
    "fr": "French",
    "de": "German",
    "es": "Spanish",
    "zh": "Mandarin",
    "hi": "Hindi",
    "bn": "Bengali",
    "ar": "Arabic",
    "ru": "Russian",
    "ja": "Japanese",
    "sw": "Swahili",
}

# Numbers measured on these texts are comparable only while the texts do not change: a test checks these hashes.
SHA256: dict[str, str] = {
    "code.txt": "60541bf96cdd59e5e305dab9ddd8601d4a8fd918d72cd868c01d1d9a2eb7d8cf",
    "parallel.tsv": "b5fcb922fbbbe4a229d27d0de39c209455bef883756da2811a61a6e2ed813f70",
    "prose.txt": "5465725167317041ededce16d1fce2e2afccd428073d22746c3e88f7a7ff81ec",
    "tinytown.txt": "e2672de88cb3f2731b6ad0358d64233b1cda961e25ae0d386ce037e239ca8d67",
}

_NAMES = ("all", "code", "prose", "tinytown")
_MEGABYTE = 1_000_000


@cache
def text(name: str = "all") -> str:
    """Return one text of the corpus: "prose", "code", "all" or "tinytown".

    "prose" is the Town Book, "code" is from Python's standard library, "all" is prose, a blank line and code, and
    "tinytown" is a sample of the documents that `fullstack_llm.tinytown` generates. Lines end in a single newline
    character. Raises ValueError for any other name.

    >>> text("prose").splitlines()[0]
    'The Town Book of Tinytown'
    """
    if name not in _NAMES:
        raise ValueError(f"the corpus has no text named {name!r}; choose one of {', '.join(_NAMES)}")
    if name == "all":
        return text("prose") + "\n" + text("code")
    return _read(f"{name}.txt")


def megabyte() -> str:
    """Return the first 1,000,000 UTF-8 bytes of `text("all")`: all of the prose, then code up to that size.

    The cut is exact because byte 1,000,000 falls between two ASCII characters of the code, which a test checks.

    >>> len(megabyte().encode())
    1000000
    """
    return text("all").encode()[:_MEGABYTE].decode()


def parallel() -> dict[str, list[str]]:
    """Return parallel sentences by language code: sentence i has the same meaning in every language of `LANGUAGES`.

    >>> sentences = parallel()
    >>> sentences["en"][0], sentences["fr"][0]
    ('Good morning, how are you?', 'Bonjour, comment allez-vous ?')
    """
    header, *rows = [line.split("\t") for line in _read("parallel.tsv").splitlines()]
    return {code: [row[column] for row in rows] for column, code in enumerate(header)}


@cache
def _read(file: str) -> str:
    return files(__package__).joinpath("data", file).read_bytes().decode("utf-8")
