"""Recipes so small that a test can train them."""

from fullstack_llm.models.recipes import FineTuning, Preferring, Pretraining, Recipe, Reinforcing, RewardModelling

BASE = Pretraining(
    name="base",
    layers=1,
    width=16,
    inner=24,
    heads=2,
    kv_heads=1,
    steps=10,
    batch=2,
    length=16,
    warmup=3,
    decay=0.5,
    people=40,
)
SFT = FineTuning(name="sft", steps=10, batch=2, lr=1e-3, warmup=3, people=40)
REWARD = RewardModelling(name="reward", steps=10, batch=2, lr=1e-3, warmup=3, people=40)
DPO = Preferring(name="dpo", steps=10, batch=2, lr=1e-3, warmup=3, people=40)
RL = Reinforcing(
    name="rl", steps=10, batch=2, group=3, max_new_tokens=8, level=1, lr=1e-3, warmup=3, people=40, beta=0.1
)
HACKED = Reinforcing(
    name="hacked", judge="pleased", steps=10, batch=2, group=3, max_new_tokens=8, lr=1e-3, warmup=3, people=40
)
ALL: tuple[Recipe, ...] = (BASE, SFT, REWARD, DPO, RL, HACKED)
