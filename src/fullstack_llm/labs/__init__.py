"""What the labs want: one package a lab, `mNN_name` for lab `NN_name`, and one file an exercise.

A lab's package says in `EXERCISES` which exercises it has, in order: each is a module that holds an `Exercise` of the
same name. `ANSWERS` names modules of `fullstack_llm` that would solve it; no worker of the lab can read them.
"""
