"""Errors that answers to lab 04 raise: the mistake that is behind each, found by what the error says."""

# Python and the libraries say what did not fit; a hint says which thought did not. Matched by regular expressions.
ERRORS = {
    "causal_attention": {
        r"size of tensor|broadcast|mat1 and mat2|matmul": (
            "Is something T by T, or transposed? The scores have a row for each of the T queries and a column for "
            "each of the S keys, and so has the mask."
        ),
    },
    "grouped_query_attention": {
        r"size of tensor|broadcast|batch1|must match|Expected size": (
            "H query heads have met K key-value heads: each query head needs its own pair of keys and values first."
        ),
    },
    "rms_norm": {
        r"size of tensor|broadcast": (
            "Has the mean lost its dimension? Each row has one mean, and all columns of that row are divided by it."
        ),
    },
    "swiglu": {
        r"mat1 and mat2|size mismatch|matmul|size of tensor": (
            "Is a matrix to be transposed? A weight lies as nn.Linear stores it, outputs first."
        ),
    },
    "route": {
        r"argsort\(\) (received|takes)": "Where argsort is to be stable, it wants its dimension by name.",
        r"bincount only supports 1-d": "The choices are a table, and bincount counts one row of numbers.",
        r"tuple indices|'torch.return_types": "torch.sort and torch.topk return a pair: the values and their indices.",
        r"step must be": "A tensor is not sliced backwards: flip it, or sort the other way.",
        r"out of bounds|out of range": (
            "Were tokens and experts mixed up? Each row is sorted by itself, and a choice is looked up in its own row."
        ),
        r"size of tensor|broadcast": (
            "Have f and P one number for each of the E experts? One that nobody has chosen counts too, with 0."
        ),
    },
    "count_parameters": {
        r"KeyError": "The keys of `sizes` are in the first table, those of the answer below it.",
        r"ZeroDivision|modulo by zero": "Where there is no mixture, num_experts and num_active are 0.",
    },
    "diagnose": {
        r"size of tensor|broadcast|must match": (
            "Which two tensors met? A reported stage has the shape of the table: k and v have K heads, not H."
        ),
        r"KeyError": "The names are those of the table for stages, of the docstring for weights and sizes.",
    },
}
