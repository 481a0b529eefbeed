"""Loss values and their gradients with respect to the policy's log-probs, by torch in float64: `fixtures/losses/`.

`pairs.json`: per pair and loss (`dpo`, `minor-dpo`; two betas), over random and extreme log-ratios, |c| and |r| up to
1e4, r exactly 0. `sft.json`: per batch of completions of differing lengths, gradients per token.
Values below 1e-308 underflow to 0 in float64; the loss itself is computed by logsigmoid, which does not overflow.
"""

import random

import torch
import torch.nn.functional as F
from oracle import FIXTURES, versions, write_json

LOSSES = {
    "dpo": lambda beta, c, r: -F.logsigmoid(beta * (c - r)),
    "minor-dpo": lambda beta, c, r: -F.logsigmoid(beta * (c - torch.relu(r))),
}
EXTREMES = [0.0, 1e-6, -1e-6, 1.0, -1.0, 40.0, -40.0, 800.0, -800.0, 1e4, -1e4]


def leaf(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def pair_cases():
    """Policy and reference log-probs of both answers; the extremes use a reference of 0 or the policy itself."""
    draw = random.Random(41)
    rows = [(c, r, 0.0, 0.0) for c in EXTREMES for r in EXTREMES]
    for _ in range(40):
        reference_chosen, reference_rejected = -draw.expovariate(1 / 60), -draw.expovariate(1 / 60)
        c, r = draw.gauss(0, 8), draw.gauss(0, 8)
        rows.append((reference_chosen + c, reference_rejected + r, reference_chosen, reference_rejected))
    # Gate exactly at its corner with realistic log-probs.
    rows += [(-31.25, -47.5, -31.25, -47.5), (-30.25, -47.5, -31.25, -47.5)]
    return rows


def pair_entry(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    entry = {
        "policy_chosen": policy_chosen,
        "policy_rejected": policy_rejected,
        "reference_chosen": reference_chosen,
        "reference_rejected": reference_rejected,
        "losses": [],
    }
    for name, function in LOSSES.items():
        for beta in (0.1, 1.0):
            chosen, rejected = leaf(policy_chosen), leaf(policy_rejected)
            c, r = chosen - reference_chosen, rejected - reference_rejected
            loss = function(beta, c, r)
            loss.backward()
            entry["losses"].append(
                {
                    "loss_name": name,
                    "beta": beta,
                    "loss": loss.item(),
                    "gradient_chosen": chosen.grad.item(),
                    "gradient_rejected": rejected.grad.item(),
                }
            )
    return {**entry, "c": c.item(), "r": r.item()}


def sft_entry(lengths, draw):
    answers = [leaf([-draw.expovariate(1 / 3) for _ in range(length)]) for length in lengths]
    loss = -torch.cat(answers).mean()
    loss.backward()
    return {
        "log_probs": [answer.tolist() for answer in answers],
        "loss": loss.item(),
        "gradients": [answer.grad.tolist() for answer in answers],
    }


def check(entries):
    """What must hold whatever torch says: ln 2 at the start, and no push on a rejected answer at r = 0."""
    for entry in entries:
        for item in entry["losses"]:
            if entry["c"] == 0 and entry["r"] == 0:
                assert abs(item["loss"] - 0.6931471805599453) < 1e-15
            if item["loss_name"] == "minor-dpo" and entry["r"] <= 0:
                assert item["gradient_rejected"] == 0


entries = [pair_entry(*row) for row in pair_cases()]
check(entries)
write_json(FIXTURES / "losses" / "pairs.json", {"versions": versions(), "computed_in": "float64", "entries": entries})
draw = random.Random(42)
batches = [sft_entry(lengths, draw) for lengths in ([1], [5], [3, 1], [2, 7, 4], [9, 9, 1, 2])]
write_json(FIXTURES / "losses" / "sft.json", {"versions": versions(), "computed_in": "float64", "batches": batches})
print(f"{len(entries)} pairs, {sum(entry['r'] == 0 for entry in entries)} of them at r = 0")
