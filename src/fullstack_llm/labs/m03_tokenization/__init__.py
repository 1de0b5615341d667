"""Lab 03, tokenization: pairs, merges, training, encoding, decoding, chat prompts, larger vocabularies, Unigram."""

ANSWERS = ("tokenization",)
EXERCISES = (
    "count_pairs",
    "merge_pair",
    "learn_merges",
    "encode_prompt",
    "decode_prompt",
    "render_chat",
    "extend_vocabulary",
    "segment",
)
