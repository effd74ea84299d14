"""Train a small GPT-2 on Python's language reference, prune a copy while it trains, and export both to ONNX.

Both copies share the first steps. Then one goes on dense and the other is pruned in stages, for the same number of
steps, on the same batches and with the same learning rates: what differs between the two files is the sparsity alone.
"""

import argparse
import csv
import json
import math
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import data
import torch
from export import check_against_torch, export
from model import GPT2, Shape, prunable
from torch import Tensor
from torch.nn import functional as F

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train; the units are optimizer steps unless said otherwise."""

    shared: int = 700  # dense, before the two copies part
    stages: int = 8  # each removes 20 % of the weights that are left: 0.8^8 = 16.8 % stay
    stage: int = 75  # between one removal and the next
    final: int = 1300  # with the mask fixed, while the learning rate falls
    retrain: int = 450  # further steps of the pruned copy alone, from a fresh optimizer and a raised rate
    warm_up: int = 50
    batch: int = 6  # sequences of `Shape.context` characters
    peak_rate: float = 3e-3
    retrain_rate: float = 1.5e-3
    last_rate: float = 1e-4
    weight_decay: float = 0.1
    seed: int = 1
    evaluate_every: int = 100

    @property
    def steps(self) -> int:
        return self.shared + self.stages * self.stage + self.final

    def rate(self, step: int) -> float:
        """Linear warm-up, constant through the pruning, then a cosine down to `last_rate`; retraining again so."""
        if step >= self.steps:
            done = step - self.steps
            fall = (1 + math.cos(math.pi * done / self.retrain)) / 2
            return min(1.0, (done + 1) / 20) * (self.last_rate + (self.retrain_rate - self.last_rate) * fall)
        if step < self.warm_up:
            return self.peak_rate * (step + 1) / self.warm_up
        fallen = max(0.0, (step - (self.steps - self.final)) / self.final)
        return self.last_rate + (self.peak_rate - self.last_rate) * (1 + math.cos(math.pi * fallen)) / 2

    def kept(self, step: int) -> float:
        """The share of each matrix that is left at a step of the pruned copy."""
        return 0.8 ** min(self.stages, (step - self.shared) // self.stage + 1)


class Run:
    """One model under training, with the masks of what has been pruned from it (none: dense)."""

    def __init__(self, name: str, model: GPT2, plan: Plan):
        self.name, self.model, self.plan = name, model, plan
        decayed = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() == 1]
        groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
        self.removed: dict[str, Tensor] = {}

    def branch(self, name: str) -> "Run":
        twin = Run(name, deepcopy(self.model), self.plan)
        twin.optimizer.load_state_dict(deepcopy(self.optimizer.state_dict()))
        return twin

    def restarted(self) -> "Run":
        """The same model and masks with a fresh optimizer."""
        again = Run(self.name, self.model, self.plan)
        again.removed = self.removed
        return again

    def prune(self, kept: float) -> None:
        """Mark the lowest magnitudes of each matrix until the share `kept` is left. Once marked, always marked."""
        for name, weight in prunable(self.model).items():
            count = weight.numel() - round(kept * weight.numel())
            lowest = weight.detach().abs().flatten().argsort(stable=True)[:count]
            removed = torch.zeros(weight.numel(), dtype=torch.bool)
            removed[lowest] = True
            self.removed[name] = removed.view_as(weight)
        self.clear_removed()

    @torch.no_grad()
    def clear_removed(self) -> None:
        for name, weight in prunable(self.model).items():
            if name in self.removed:
                weight.masked_fill_(self.removed[name], 0.0)

    def step(self, step: int, batch: Tensor) -> float:
        """One optimizer step on ids [batch, context + 1]; the loss in nats per character."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(step)
        self.model.train()
        loss = F.cross_entropy(self.model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.clear_removed()
        return loss.item()

    @torch.no_grad()
    def loss(self, ids: Tensor) -> float:
        """Mean nats per character over ids cut into windows of the full context, each read from an empty past."""
        self.model.eval()
        context = self.model.shape.context
        windows = ids[: (len(ids) - 1) // context * context + 1].unfold(0, context + 1, context)
        total = 0.0
        for part in windows.split(16):
            logits = self.model(part[:, :-1])
            total += F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
        return total / (len(windows) * context)

    def sparsity(self) -> dict[str, float]:
        return {name: (weight == 0).float().mean().item() for name, weight in prunable(self.model).items()}


def train(run: Run, first: int, last: int, corpus: data.Corpus, record: list[dict]) -> None:
    """Train from step `first` to before `last`. The batches depend on the seed and on `first` only."""
    plan, context = run.plan, run.model.shape.context
    batches = torch.Generator().manual_seed(plan.seed + first)
    started, losses = time.monotonic(), []
    for step in range(first, last):
        branched = step - plan.shared
        if run.name == "sparse" and branched % plan.stage == 0 and branched < plan.stages * plan.stage:
            run.prune(plan.kept(step))
        starts = torch.randint(len(corpus.train) - context, (plan.batch, 1), generator=batches)
        losses.append(run.step(step, corpus.train[starts + torch.arange(context + 1)]))
        if (step + 1) % plan.evaluate_every == 0 or step + 1 == last:
            sparsity = run.sparsity().values()
            row = {
                "run": run.name,
                "step": step + 1,
                "sparsity": round(sum(sparsity) / len(sparsity), 4),
                "train_loss": round(sum(losses) / len(losses), 4),
                "held_out_loss": round(run.loss(corpus.held_out), 4),
            }
            record.append(row)
            losses.clear()
            print(*(f"{key} {value}" for key, value in row.items()), f"{time.monotonic() - started:.0f} s", flush=True)


def facts(run: Run, corpus: data.Corpus) -> dict:
    """What the exported file says about its own training."""
    return {
        "run": run.name,
        "held_out_loss": round(run.loss(corpus.held_out), 4),
        "train_loss": round(run.loss(corpus.train), 4),
        "loss_unit": "nats per character",
        "sparsity": {name: round(value, 4) for name, value in run.sparsity().items()},
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "steps": run.plan.steps + (run.plan.retrain if run.name == "sparse" else 0),
        "seed": run.plan.seed,
        "text": "pydoc_data.topics",
        "text_sha256": corpus.sha256,
        "python": corpus.python,
        "torch": torch.__version__,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=Plan().seed)
    options.add_argument("--quick", action="store_true", help="a few steps only, to try the script")
    options.add_argument("--out", type=Path, default=HERE, help="folder for the two models and the loss record")
    chosen = options.parse_args()
    plan = Plan(shared=40, stage=5, final=20, retrain=20, seed=chosen.seed) if chosen.quick else Plan(seed=chosen.seed)

    torch.set_num_threads(1)  # one thread adds in one order, so a seed repeats to the bit on one machine
    torch.manual_seed(plan.seed)
    corpus = data.load()
    print(f"text of Python {corpus.python}, sha256 {corpus.sha256}")
    print(f"characters: {len(corpus.train)} to train on, {len(corpus.held_out)} held out")

    record: list[dict] = []
    dense = Run("dense", GPT2(Shape(len(data.CHARACTERS))), plan)
    train(dense, 0, plan.shared, corpus, record)
    sparse = dense.branch("sparse")
    for run in (sparse, dense):
        train(run, plan.shared, plan.steps, corpus, record)
        if run is sparse:
            run = run.restarted()
            train(run, plan.steps, plan.steps + plan.retrain, corpus, record)
        path = chosen.out / f"gpt2_topics_{run.name}.onnx"
        about = facts(run, corpus)
        export(run.model, path, about)
        difference = check_against_torch(run.model, path)
        print(f"{path}: {path.stat().st_size:,} bytes, logits within {difference:.1e} of torch")
        print(json.dumps(about, indent=1))

    with (chosen.out / "losses.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, record[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(record)


if __name__ == "__main__":
    main()
