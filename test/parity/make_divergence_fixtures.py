"""KL of one tiny model's next-token distribution to another's along the first one's greedy text, in float64.

Needs `fixtures/llama/` and `fixtures/generation/tied.json`.
"""

import json

import torch
from oracle import FIXTURES, load_llama, versions, write_json


def divergences(policy, reference, run):
    """Σ p (log p − log q) at the place of each token of one continuation, by torch's own kl_div."""
    ids = torch.tensor([run["prompt"] + run["completion"]])
    places = slice(len(run["prompt"]) - 1, -1)
    with torch.no_grad():
        p, q = (model(ids).logits[0, places].log_softmax(-1) for model in (policy, reference))
    return torch.nn.functional.kl_div(q, p, reduction="none", log_target=True).sum(-1).tolist()


policy, reference = (load_llama(FIXTURES / "llama" / case).double() for case in ("tied", "untied"))
runs = json.loads((FIXTURES / "generation" / "tied.json").read_text())["runs"]
write_json(
    FIXTURES / "generation" / "divergences.json",
    {
        "versions": versions(),
        "policy": "llama/tied",
        "reference": "llama/untied",
        "runs": [divergences(policy, reference, run) for run in runs],
    },
)
