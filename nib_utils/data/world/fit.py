"""Minimise what a training asks for, step by step, from wherever it was interrupted."""
from __future__ import annotations

import math
import time
from io import BytesIO
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from ...common.files import write_whole
from ...common.progress import progress as progress_bar


def fit(folder: str | Path, chosen: dict, model: nn.Module, heads: nn.Module, terms, save_every: int,
        warmup: int = 300) -> tuple[nn.Module, pd.DataFrame]:
    """Minimise the sum of `terms(step)`, or go on from `folder/checkpoint.pt`; returns the model and the log.

    chosen: what the training depends on, among it steps, batch_size and learning_rate (the peak of a cosine).
    warmup: steps to the peak.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file, log, start, steps = folder / "checkpoint.pt", [], 0, chosen["steps"]
    weights = [p for m in (model, heads) for p in m.parameters()]
    optimiser = torch.optim.AdamW(
        [{"params": [p for p in weights if p.ndim > 1], "weight_decay": 0.05},
         {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0}],
        lr=chosen["learning_rate"], betas=(0.9, 0.98))
    if file.exists():
        state = torch.load(file, weights_only=True)
        differ = [name for name, value in chosen.items() if state["chosen"][name] != value]
        if differ:
            raise ValueError(f"'{file}' is of a training with {differ[0]} = {state['chosen'][differ[0]]}, "
                             f"not {chosen[differ[0]]}; go on with that, or remove the file to begin anew.")
        model.load_state_dict(state["model"])
        heads.load_state_dict(state["heads"])
        optimiser.load_state_dict(state["optimiser"])
        log, start = state["log"], state["step"]
    clock = time.perf_counter() - (log[-1]["seconds"] if log else 0)
    size = chosen["batch_size"]
    with progress_bar(steps * size, "training", done=start * size) as bar:
        for step in range(start, steps):
            cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps))
            rate = chosen["learning_rate"] * min(1, (step + 1) / warmup) * cosine
            for group in optimiser.param_groups:
                group["lr"] = rate
            parts = terms(step)
            own = parts.pop("prefers_own")
            loss = sum(parts.values())
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            log.append({"step": step, "seconds": time.perf_counter() - clock, "learning_rate": rate,
                        "loss": loss.item(), "prefers_own": own.item(), **{k: v.item() for k, v in parts.items()}})
            bar.set_postfix(loss=f"{loss.item():.3f}", prefers_own=f"{own.item():.2f}", refresh=False)
            bar.update(size)
            if (step + 1) % save_every == 0 or step + 1 == steps:
                state = dict(model=model.state_dict(), heads=heads.state_dict(), optimiser=optimiser.state_dict(),
                             log=log, step=step + 1, chosen=chosen)
                torch.save(state, packed := BytesIO())
                write_whole(file, lambda part, packed=packed: part.write_bytes(packed.getbuffer()))
    return model.eval(), pd.DataFrame(log)
