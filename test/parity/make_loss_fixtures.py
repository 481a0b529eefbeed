"""Loss values and their gradients with respect to log-probs and log-ratios, by torch in float64: `fixtures/losses/`.

`pairs.json`: pairs with random and extreme numbers (|c| and |r| up to 1e4, r exactly 0, log-probs from 0 to -1e4, all exact
in float32), and for each case (a loss at one beta with parameters) the loss of each pair with its slopes. `sft.json`: per
batch of completions of differing lengths, gradients per token. What TRL has too is compared with its `_compute_loss` here,
over the same pairs. Values below 1e-308 underflow to 0 in float64; logsigmoid itself does not overflow.
"""

import math
import random
import struct
from collections import defaultdict
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from oracle import FIXTURES, versions, write_json
from trl import DPOTrainer


def log_odds(log_prob):
    """log(p / (1 - p)); 1 - p is no less than 2^-24, the smallest difference from 1 in single precision."""
    below = torch.clamp(log_prob, max=-(2.0**-24))
    near = torch.log(-torch.expm1(torch.clamp(below, min=-math.log(2))))
    far = torch.log1p(-torch.exp(torch.clamp(below, max=-math.log(2))))
    return log_prob - torch.where(below > -math.log(2), near, far)


def cdpo(x, epsilon):
    return -(1 - epsilon) * F.logsigmoid(x) - epsilon * F.logsigmoid(-x)


# Of p: log-probs (chosen, rejected), log-ratios (c, r), token counts (w, l), beta, and the loss's own parameters.
LOSSES = {
    "dpo": lambda p: -F.logsigmoid(p.beta * (p.c - p.r)),
    "minor-dpo": lambda p: -F.logsigmoid(p.beta * (p.c - torch.relu(p.r))),
    "kappa-dpo": lambda p: -F.logsigmoid(p.beta * (p.c - torch.where(p.r > 0, p.r, p.kappa * p.r))),
    "dpop": lambda p: -F.logsigmoid(p.beta * (p.c - p.r - getattr(p, "lambda") * torch.relu(-p.c))),
    "ipo": lambda p: (p.c / p.w - p.r / p.l - 1 / (2 * p.beta)) ** 2,
    "hinge": lambda p: torch.relu(1 - p.beta * (p.c - p.r)),
    "cdpo": lambda p: cdpo(p.beta * (p.c - p.r), p.epsilon),
    "robust": lambda p: (
        -(1 - p.epsilon) * F.logsigmoid(p.beta * (p.c - p.r)) + p.epsilon * F.logsigmoid(-p.beta * (p.c - p.r))
    )
    / (1 - 2 * p.epsilon),
    "simpo": lambda p: -F.logsigmoid(p.beta * (p.chosen / p.w - p.rejected / p.l) - p.gamma),
    "orpo": lambda p: -p.chosen / p.w
    - getattr(p, "lambda") * F.logsigmoid(log_odds(p.chosen / p.w) - log_odds(p.rejected / p.l)),
    "minor-sft": lambda p: -(2 / (p.beta * p.w)) * F.logsigmoid(p.beta * p.c),
}
# What each loss is computed at: beta, and parameters of its own.
CASES = [
    ("dpo", 0.1, {}),
    ("dpo", 1.0, {}),
    ("minor-dpo", 0.1, {}),
    ("minor-dpo", 1.0, {}),
    ("kappa-dpo", 0.1, {"kappa": 0.5}),
    ("kappa-dpo", 1.0, {"kappa": 0.25}),
    ("dpop", 0.1, {"lambda": 50.0}),
    ("dpop", 1.0, {"lambda": 2.0}),
    ("ipo", 0.1, {}),
    ("ipo", 1.0, {}),
    ("hinge", 0.1, {}),
    ("hinge", 1.0, {}),
    ("cdpo", 0.1, {"epsilon": 0.1}),
    ("cdpo", 1.0, {"epsilon": 0.25}),
    ("robust", 0.1, {"epsilon": 0.1}),
    ("robust", 1.0, {"epsilon": 0.25}),
    ("simpo", 2.0, {"gamma": 1.0}),
    ("simpo", 10.0, {"gamma": 3.0}),
    ("orpo", 0.1, {"lambda": 0.1}),
    ("orpo", 0.1, {"lambda": 2.0}),
    ("minor-sft", 0.1, {}),
    ("minor-sft", 1.0, {}),
]
TRL = {"dpo": "sigmoid", "ipo": "ipo", "hinge": "hinge", "robust": "robust"}
RATIOS = [0.0, 2.0**-20, -(2.0**-20), 1.0, -1.0, 40.0, -40.0, 800.0, -800.0, 1e4, -1e4]
LOG_PROBS = [0.0, -(2.0**-30), -(2.0**-20), -(2.0**-10), -0.5, -1.0, -7.0, -40.0, -200.0, -800.0, -1e4]
COLUMNS = ("chosen", "rejected", "c", "r", "w", "l")


def single(value):
    """The nearest number that float32 holds."""
    return struct.unpack("f", struct.pack("f", value))[0]


def pairs():
    """Rows of COLUMNS: every extreme with every other, ordinary ones, and corners of gates and hinges."""
    draw = random.Random(41)
    size = len(RATIOS)
    rows = [
        (LOG_PROBS[i], LOG_PROBS[j], RATIOS[i], RATIOS[j], 1 + 5 * i % 7, 1 + 3 * j % 5)
        for i in range(size)
        for j in range(size)
    ]
    for _ in range(40):
        chosen, rejected = -draw.expovariate(1 / 60), -draw.expovariate(1 / 60)
        c, r = draw.gauss(0, 8), draw.gauss(0, 8)
        lengths = draw.randint(1, 60), draw.randint(1, 60)
        rows.append((*map(single, (chosen, rejected, c, r)), *lengths))
    # Where beta (c - r) is exactly 1, and MinorDPO's gate at its corner.
    rows += [(-31.25, -47.5, 10.0, 0.0, 5, 6), (-31.25, -47.5, -2.0, -12.0, 5, 6), (-31.25, -47.5, 1.0, 0.0, 5, 6)]
    return rows


ROWS = pairs()


def leaves():
    """The columns of ROWS [pairs]; all but the counts take gradients."""
    columns = {name: torch.tensor(values, dtype=torch.float64) for name, values in zip(COLUMNS, zip(*ROWS))}
    for name in COLUMNS[:4]:
        columns[name].requires_grad_()
    return columns


def case_entry(name, beta, parameters):
    columns = leaves()
    losses = LOSSES[name](SimpleNamespace(beta=beta, **parameters, **columns))
    losses.sum().backward()

    def slopes(*names):
        found = [columns[each].grad for each in names if columns[each].grad is not None]
        return sum(found, torch.zeros(len(ROWS), dtype=torch.float64)).tolist()

    # A policy's log-prob moves the loss by itself and by its log-ratio.
    return {
        "loss_name": name,
        "beta": beta,
        "parameters": parameters,
        "loss": losses.tolist(),
        "gradient_chosen": slopes("chosen", "c"),
        "gradient_rejected": slopes("rejected", "r"),
    }


def check(entries):
    """What must hold whatever torch says: finite numbers, ln 2 at the start, and the slopes at corners."""
    for entry in entries:
        for column in ("loss", "gradient_chosen", "gradient_rejected"):
            assert all(map(math.isfinite, entry[column])), (entry["loss_name"], column)
        for row, (_, _, c, r, *_) in enumerate(ROWS):
            name, beta = entry["loss_name"], entry["beta"]
            chosen, rejected = entry["gradient_chosen"][row], entry["gradient_rejected"][row]
            if c == 0 and r == 0 and name in ("dpo", "minor-dpo", "kappa-dpo", "dpop", "cdpo"):
                assert abs(entry["loss"][row] - 0.6931471805599453) < 1e-15
                assert abs(chosen + beta / 2 * (1 - 2 * entry["parameters"].get("epsilon", 0))) < 1e-15
            if name == "minor-dpo" and r <= 0:
                assert rejected == 0
            if name == "hinge" and beta * (c - r) >= 1:
                assert chosen == 0 and rejected == 0
            if name == "kappa-dpo" and r <= 0:
                assert abs(rejected + entry["parameters"]["kappa"] * chosen) <= 1e-15


def sft_entry(lengths, draw):
    answers = [
        torch.tensor([-draw.expovariate(1 / 3) for _ in range(length)], dtype=torch.float64, requires_grad=True)
        for length in lengths
    ]
    loss = -torch.cat(answers).mean()
    loss.backward()
    ones = [answer.detach() for answer in answers]
    assert math.isclose(TrlLoss("sft")(ones, ones).item(), loss.item(), rel_tol=1e-15)
    return {
        "log_probs": [answer.tolist() for answer in answers],
        "loss": loss.item(),
        "gradients": [answer.grad.tolist() for answer in answers],
    }


class TrlLoss:
    """What TRL's `_compute_loss` reads of its trainer, around log-probs that are given; everything it logs is dropped."""

    aux_loss_enabled = use_weighting = False
    ld_alpha = None
    precompute_ref_logps = True
    f_divergence_type = "reverse_kl"
    _tp_size = 1
    _total_train_tokens = 0
    model = SimpleNamespace(training=True)
    accelerator = SimpleNamespace(
        device="cpu", gather=lambda value: value, gather_for_metrics=lambda value: value
    )
    compute_loss = DPOTrainer._compute_loss

    def __init__(self, loss_type, beta=0.1, label_smoothing=0.0):
        self.loss_types, self.loss_weights = [loss_type], [1.0]
        self.beta, self.label_smoothing = beta, label_smoothing
        self._metrics = defaultdict(lambda: defaultdict(list))

    def __call__(self, chosen, rejected):
        """Loss of a batch. Per pair and answer the token log-probs; under the reference all are 0."""
        answers = [*chosen, *rejected]
        longest = max(map(len, answers))
        padded = torch.stack([F.pad(answer, (0, longest - len(answer))) for answer in answers])
        mask = torch.tensor([[0] + [1] * len(answer) + [0] * (longest - len(answer)) for answer in answers])
        numbers = torch.zeros_like(padded)
        outputs = SimpleNamespace(log_probs=padded, entropy=numbers, mean_logits=numbers, is_top1=numbers.bool())
        reference = torch.zeros(len(chosen), dtype=torch.float64)
        inputs = {
            "input_ids": torch.zeros_like(mask),
            "attention_mask": mask,
            "completion_mask": mask,
            "ref_chosen_logps": reference,
            "ref_rejected_logps": reference,
        }
        return self.compute_loss(lambda **_: outputs, inputs, return_outputs=False)


def compare_with_trl(entries):
    """Every loss that TRL has equals TRL's, in value and slopes, pair by pair."""
    worst = defaultdict(float)
    for entry in entries:
        if entry["loss_name"] not in TRL:
            continue
        smoothing = entry["parameters"].get("epsilon", 0.0)
        loss_of = TrlLoss(TRL[entry["loss_name"]], entry["beta"], smoothing)
        for row, (_, _, c, r, w, l) in enumerate(ROWS):
            # All of the sum on one token, so that it is exactly c; a reference of 0 makes it the log-ratio.
            tokens = [
                torch.tensor([total] + [0.0] * (count - 1), dtype=torch.float64, requires_grad=True)
                for total, count in ((c, w), (r, l))
            ]
            loss = loss_of([tokens[0]], [tokens[1]])
            loss.backward()
            ours = [entry[name][row] for name in ("loss", "gradient_chosen", "gradient_rejected")]
            theirs = [loss.item(), tokens[0].grad[0].item(), tokens[1].grad[0].item()]
            for own, other in zip(ours, theirs):
                scale = max(abs(own), abs(other), 1e-300)
                worst[entry["loss_name"]] = max(worst[entry["loss_name"]], abs(own - other) / scale)
    assert set(worst) == set(TRL) and max(worst.values()) < 1e-12, dict(worst)
    print("largest relative difference from TRL:", dict(worst))



entries = [case_entry(*case) for case in CASES]
assert {name for name, *_ in CASES} == set(LOSSES)
check(entries)
compare_with_trl(entries)
shape = {"versions": versions(), "computed_in": "float64"}
write_json(FIXTURES / "losses" / "pairs.json", {**shape, "columns": COLUMNS, "pairs": ROWS, "cases": entries})
draw = random.Random(42)
batches = [sft_entry(lengths, draw) for lengths in ([1], [5], [3, 1], [2, 7, 4], [9, 9, 1, 2])]
write_json(FIXTURES / "losses" / "sft.json", {**shape, "batches": batches})
print(f"{len(ROWS)} pairs, {sum(row[3] == 0 for row in ROWS)} of them at r = 0")
