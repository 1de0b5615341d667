"""Turn tokens into text as they come: never half a character, and nothing that may turn out to belong to a stop string.

>>> stops = StopStrings(("END",))
>>> stops.push("the E"), stops.push("N"), stops.push("Z"), stops.push(" END of")
(('the ', False), ('', False), ('ENZ', False), (' ', True))
"""

from __future__ import annotations

from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase


@dataclass
class Detokenizer:
    """Decode a growing row of ids piece by piece, so that the pieces add up to the text of the whole row.

    An id may be part of a character, or decode differently at the beginning of a text. So a few ids before the new
    ones are decoded both times, and a piece is the difference. It waits while it ends in U+FFFD, which stands for a
    character whose other bytes have not come yet.
    """

    tokenizer: PreTrainedTokenizerBase
    ids: list[int] = field(default_factory=list)
    start: int = 0  # from here on ids are decoded
    read: int = 0  # up to here their text has been returned

    def push(self, token: int) -> str:
        """Add an id, and return the text that it completes."""
        self.ids.append(token)
        piece = self._piece()
        if piece.endswith("\ufffd"):
            return ""
        self.start, self.read = self.read, len(self.ids)
        return piece

    def flush(self) -> str:
        """Return what still waits, at the end of the row."""
        piece = self._piece()
        self.start = self.read = len(self.ids)
        return piece

    def _piece(self) -> str:
        """Return the text of the ids that have not been returned."""
        known, all_of_it = (
            str(self.tokenizer.decode(self.ids[self.start : end], skip_special_tokens=True))
            for end in (self.read, len(self.ids))
        )
        return all_of_it[len(known) :]


@dataclass
class StopStrings:
    """Look for several strings in a text that comes in pieces, and hold back what may be the beginning of one.

    The text stops before the string that ends first; of those that end together it is the longest.
    """

    stops: tuple[str, ...]
    held: str = ""

    def push(self, piece: str) -> tuple[str, bool]:
        """Add a piece, and return the text that is certain now, and whether a stop string follows it."""
        text = self.held + piece
        found = [(at + len(stop), at) for stop in self.stops if (at := text.find(stop)) >= 0]
        if found:
            self.held = ""
            return text[: min(found)[1]], True
        longest = max(map(len, self.stops), default=1) - 1
        begins = (at for at in range(max(len(text) - longest, 0), len(text)) if self._begins(text[at:]))
        certain = next(begins, len(text))
        self.held = text[certain:]
        return text[:certain], False

    def flush(self) -> str:
        """Return what was held back, at the end of the text."""
        held, self.held = self.held, ""
        return held

    def _begins(self, text: str) -> bool:
        """Return whether a stop string begins with this text."""
        return any(stop.startswith(text) for stop in self.stops)
