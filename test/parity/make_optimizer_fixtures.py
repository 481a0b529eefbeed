"""AdamW steps by torch and learning rates by transformers: `fixtures/optimizer/`.

`adamw.json`: parameters and moments after each of several steps of torch.optim.AdamW in float64, with and without weight
decay and clipping by torch.nn.utils.clip_grad_norm_; `decayed` and `undecayed` are two parameter groups.
`schedules.json`: the factor at each step of get_constant/linear/cosine_schedule_with_warmup.
"""

import torch
from oracle import FIXTURES, versions, write_json
from transformers import get_scheduler

STEPS = 8
CASES = {
    "plain": {"lr": 0.05, "weight_decay": 0.0, "max_grad_norm": 0.0},
    "decay": {"lr": 0.05, "weight_decay": 0.1, "max_grad_norm": 0.0},
    "clipped": {"lr": 0.01, "weight_decay": 0.01, "max_grad_norm": 0.5},
    # Clipping above every norm changes nothing; the first step of a warm-up has rate 0.
    "loose": {"lr": 0.02, "weight_decay": 0.5, "max_grad_norm": 1e3, "rates": [0.0, 0.5, 1.0]},
}


def run(settings, seed):
    generator = torch.Generator().manual_seed(seed)

    def draw(size, scale=1.0):
        # Rounded to float32, so that both sides start from the same numbers.
        return (scale * torch.randn(size, generator=generator)).to(torch.float64)

    decayed, undecayed = (torch.nn.Parameter(draw(size)) for size in (5, 3))
    start = torch.cat([decayed, undecayed]).tolist()
    optimizer = torch.optim.AdamW(
        [
            {"params": [decayed], "weight_decay": settings["weight_decay"]},
            {"params": [undecayed], "weight_decay": 0.0},
        ],
        lr=settings["lr"],
        betas=(0.9, 0.999),
        eps=1e-8,
    )
    steps = []
    for step in range(STEPS):
        # Scales over orders of magnitude, a zero gradient at one place throughout.
        gradient = draw(8, 10.0 ** (step % 4 - 2))
        gradient[2] = 0
        if step == 5:
            gradient[:] = 0
        decayed.grad, undecayed.grad = gradient[:5].clone(), gradient[5:].clone()
        rates = settings.get("rates", [])
        rate = settings["lr"] * (rates[step] if step < len(rates) else 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        norm = gradient.norm().item()
        if settings["max_grad_norm"] > 0:
            found = torch.nn.utils.clip_grad_norm_([decayed, undecayed], settings["max_grad_norm"]).item()
            assert abs(found - norm) < 1e-12 * max(1, norm)
        optimizer.step()
        state = [optimizer.state[each] for each in (decayed, undecayed)]
        steps.append(
            {
                "gradient": gradient.tolist(),
                "norm": norm,
                "rate": rate,
                "parameters": torch.cat([decayed, undecayed]).tolist(),
                "first_moment": torch.cat([each["exp_avg"] for each in state]).tolist(),
                "second_moment": torch.cat([each["exp_avg_sq"] for each in state]).tolist(),
            }
        )
    return {"settings": settings, "decayed": 5, "start": start, "steps": steps}


def schedule(name, warmup, total):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    official = {"constant": "constant_with_warmup"}.get(name, name)
    scheduler = get_scheduler(official, optimizer, num_warmup_steps=warmup, num_training_steps=total)
    factors = []
    for _ in range(total):
        factors.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {"name": name, "warmup": warmup, "total": total, "factors": factors}


def warmups():
    """transformers' own rule from a share or a number of steps to warm-up steps."""
    from transformers import TrainingArguments

    rows = []
    for value, total in ((0, 20), (0.1, 20), (0.1, 25), (0.03, 7), (0.5, 3), (1, 20), (3, 20), (12, 20)):
        args = TrainingArguments(output_dir="unused", warmup_steps=value, use_cpu=True, report_to="none")
        rows.append({"warmup": value, "total": total, "steps": args.get_warmup_steps(total)})
    return rows


cases = {name: run(settings, 50 + place) for place, (name, settings) in enumerate(CASES.items())}
write_json(
    FIXTURES / "optimizer" / "adamw.json", {"versions": versions(), "computed_in": "float64", "cases": cases}
)
schedules = [
    schedule(name, warmup, total)
    for name in ("constant", "linear", "cosine")
    for warmup, total in ((0, 5), (3, 12), (1, 2), (4, 4), (10, 40))
]
write_json(
    FIXTURES / "optimizer" / "schedules.json",
    {"versions": versions(), "schedules": schedules, "warmup_steps": warmups()},
)
