"""What the label painter shows: two conversations, token by token, with whose each token is and what is trained on."""

from pathlib import Path
from typing import Any

FILES = ("src/fullstack_llm/data/tokenizer/tokenizer.json", "src/fullstack_llm/finetuning/labels.py")


def conversations(_: Path) -> dict[str, Any]:
    """For each token of each conversation: its text, its role, and the marks of the choices "assistant" and "last"."""
    from fullstack_llm.finetuning.labels import STOP, chosen
    from fullstack_llm.models.chat import encode
    from fullstack_llm.tinytown.instructions import message
    from fullstack_llm.tokenization import course_tokenizer

    talks = [
        [
            message("system", "You are the clerk of Tinytown."),
            message("user", "Where does Ada live?"),
            message("assistant", "Ada lives on Lantern Row."),
            message("user", "What pet does she have?"),
            message("assistant", "Ada has a hen."),
        ],
        [message("user", "Where does Xantippe live?"), message("assistant", "I don't know.")],
    ]
    tokenizer, found = course_tokenizer.load(), []
    for talk in talks:
        row = encode(tokenizer, talk)
        last, speaker, role = chosen(row, "last").own, -1, ""
        tokens = []
        for at, token in enumerate(row.ids):
            if tokenizer.decode([token]) == "<|im_start|>":
                speaker += 1
                role = talk[speaker]["role"]
            text = str(tokenizer.decode([token])).replace(" ", "␣").replace("\n", "↵")
            tokens.append([text, role, int(row.own[at]), int(last[at]), int(token == STOP)])
        found.append(tokens)
    return {"talks": found}
