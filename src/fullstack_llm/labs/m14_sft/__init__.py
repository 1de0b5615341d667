"""Grade lab 14: labels of turns, packed chats, stops put back, templates, a budget, and a model that never stops."""

# Modules of the package that would solve an exercise: no worker of the lab can read them.
ANSWERS = ("finetuning", "pretraining.packing", "models.chat")
EXERCISES = ("turn_labels", "pack_chats", "restore_stops", "render_turns", "fit_budget", "diagnose")
