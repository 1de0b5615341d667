"""Language models before attention: tables of what follows what, and states that are carried from token to token.

| file | what it holds |
| --- | --- |
| `ngrams` | counts of what follows a context, and the probabilities that are made of them, smoothed or not |
| `cells` | one step of an RNN, an LSTM and a GRU, equal to torch's |
| `network` | a language model around them, whose state can be carried on, and the gradient that reaches back |
| `chain` | how many operations of a graph have to wait for one another |
| `scan` | a linear recurrence, by a loop and in a logarithm of the steps |
"""
