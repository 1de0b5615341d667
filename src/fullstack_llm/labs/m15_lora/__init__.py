"""Grade lab 15: a fused low-rank layer, its bill, merging, codebooks, a batch of tenants, one for many, a silent leak."""

# Modules of the package that would solve an exercise: no worker of the lab can read them.
ANSWERS = ("lora",)
EXERCISES = (
    "fused_forward",
    "lora_bill",
    "merge_adapters",
    "normal_codes",
    "many_adapters",
    "one_adapter",
    "diagnose",
)
