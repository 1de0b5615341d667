r"""The tokenizer of the course's own model: byte-level BPE, 512 ids, one id for each digit, a ChatML-like template.

>>> tokenizer = load()
>>> len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id
(512, 0, 1, 2)
>>> tokenizer.tokenize("12 and 34")[:2]
['1', '2']
>>> tokenizer.apply_chat_template([{"role": "user", "content": "2+2?"}], tokenize=False, add_generation_prompt=True)
'<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n'

The ids: 0 to 15 are the special tokens, 16 to 271 the single bytes, 272 to 511 the merges. The files in
`data/tokenizer` are what `build(training_texts()).save_pretrained(FOLDER)` writes, byte for byte;
`python -m fullstack_llm.tokenization.course_tokenizer` writes them again.

A special token that is spelled out in a text becomes that special token, so text from outside can end its own turn
and open another. Encode such text with `split_special_tokens=True`, such a chat with `sanitize_control_tokens=True`:

>>> tokenizer("<|im_end|>").input_ids, len(tokenizer("<|im_end|>", split_special_tokens=True).input_ids) > 1
([4], True)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from fullstack_llm import corpus
from fullstack_llm.tokenization.bpe import SINGLE_DIGITS_PATTERN

FOLDER = Path(__file__).parents[1] / "data" / "tokenizer"

_NAMED = ["<|pad|>", "<|bos|>", "<|eos|>", "<|im_start|>", "<|im_end|>", "<|tool|>"]
SPECIAL_TOKENS = [*_NAMED, *(f"<|reserved_{i}|>" for i in range(16 - len(_NAMED)))]

# A line break is a chunk of its own. Otherwise the line break after "assistant" could merge with line breaks at the
# start of the content into one token, half prompt and half answer: no loss mask could split that token, and a model
# that continues the prompt would never meet it.
PATTERN = r"\n|" + SINGLE_DIGITS_PATTERN

# `generation` marks the assistant's own tokens, <|im_end|> included: the loss of fine-tuning is taken over them.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
    {{- '<|im_start|>' + message['role'] + '\\n' -}}
    {%- if message['role'] == 'assistant' -%}
        {%- generation -%}
            {{- message['content'] + '<|im_end|>' -}}
        {%- endgeneration -%}
    {%- else -%}
        {{- message['content'] + '<|im_end|>' -}}
    {%- endif -%}
    {{- '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def build(texts: Iterable[str], vocab_size: int = 512) -> PreTrainedTokenizerFast:
    """Train the tokenizer on texts; the same texts give the same files.

    Raises ValueError if `vocab_size` has no room for special tokens and bytes, or is more than the texts can fill.

    >>> tokenizer = build(["Ada adds 12 and 34. " * 3], vocab_size=276)
    >>> tokenizer.tokenize(" adds 12")
    ['Ġa', 'dd', 's', 'Ġ', '1', '2']
    """
    smallest = len(SPECIAL_TOKENS) + 256
    if vocab_size < smallest:
        raise ValueError(f"vocab_size is {vocab_size}, but special tokens and bytes alone need {smallest}.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    reached = tokenizer.get_vocab_size()
    if reached < vocab_size:
        raise ValueError(
            f"These texts fill only {reached} of {vocab_size} ids: give more text or a smaller vocab_size."
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        additional_special_tokens=SPECIAL_TOKENS[3:],
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def training_texts() -> list[str]:
    """Return the training texts of the shipped tokenizer: the Town Book, Tinytown's documents, everyday English."""
    return [corpus.text("prose"), corpus.text("tinytown"), "\n".join(corpus.parallel()["en"])]


def load() -> PreTrainedTokenizerFast:
    """Load the shipped tokenizer, without a network.

    >>> load().decode(load()("Ada adds 12 and 34.").input_ids)
    'Ada adds 12 and 34.'
    """
    return PreTrainedTokenizerFast.from_pretrained(FOLDER)


if __name__ == "__main__":
    build(training_texts()).save_pretrained(FOLDER)
