"""Gradients by torch's autograd, in float64 throughout, stored as float32: `fixtures/gradients/`.

`<case>-lora/`: an adapter PEFT saved (random non-zero A and B) on `../llama/<case>`, expected.json with loss, c and r,
and gradients.safetensors with the gradient of every A and B, named `<entry>/<name in the adapter file>`. The reference
is the base without adapter, its log-prob of the rejected answer shifted by a constant where that is needed for the
other sign of r, so that MinorDPO's gate is open in one entry and closed in the next for the same pair.

`<case>-full/`: the gradient of the `sft` loss (mean over all completion tokens of three sequences) for every weight.
"""

import json

import torch
import torch.nn.functional as F
from oracle import FIXTURES, double_precision, load_llama, save_adapter, token_log_probs, versions, write_json, write_tensors
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open

RANK, ALPHA, PAIR = 4, 8, 3
LOSSES = {
    "dpo": lambda beta, c, r: -F.logsigmoid(beta * (c - r)),
    "minor-dpo": lambda beta, c, r: -F.logsigmoid(beta * (c - torch.relu(r))),
}


def save_random_adapter(case, folder):
    """A PEFT adapter over all linear layers whose A and B are both random; PEFT itself writes it."""
    torch.manual_seed(21)
    model = get_peft_model(
        load_llama(FIXTURES / "llama" / case),
        LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.1 * torch.randn(parameter.shape))
    save_adapter(model, folder, f"llama/{case}")


def make_lora(case):
    folder = FIXTURES / "gradients" / f"{case}-lora"
    save_random_adapter(case, folder / "adapter")
    pair = json.loads((FIXTURES / "llama" / case / "pairs.json").read_text())[PAIR]
    base = load_llama(FIXTURES / "llama" / case, double=True)
    model = PeftModel.from_pretrained(base, folder / "adapter", is_trainable=True).double()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    stored = {name: name.replace(".default", "") for name in trained}
    with safe_open(folder / "adapter" / "adapter_model.safetensors", "pt") as file:
        assert set(stored.values()) == set(file.keys())

    def sums():
        return [token_log_probs(model, pair["prompt"], pair[answer]).sum() for answer in ("chosen", "rejected")]

    with torch.no_grad():
        with model.disable_adapter():
            reference_chosen, base_rejected = (value.item() for value in sums())
        _, policy_rejected = (value.item() for value in sums())
    natural = policy_rejected - base_rejected
    entries, gradients = [], {}
    for beta in (0.1, 1.0):
        for gate in ("open", "closed"):
            wanted = 0.75 if gate == "open" else -0.5
            shift = 0.0 if natural * wanted > 0 else natural - wanted
            for loss_name, function in LOSSES.items():
                chosen, rejected = sums()
                reference_rejected = base_rejected + shift
                c, r = chosen - reference_chosen, rejected - reference_rejected
                assert (r.item() > 0) == (gate == "open")
                loss = function(beta, c, r)
                model.zero_grad()
                loss.backward()
                entry = f"{loss_name}-beta{beta:g}-{gate}"
                norm = torch.sqrt(sum(p.grad.square().sum() for p in trained.values())).item()
                assert all(p.grad.abs().max() > 0 for p in trained.values())
                entries.append(
                    {
                        "entry": entry,
                        "loss_name": loss_name,
                        "beta": beta,
                        "gate": gate,
                        "reference_shift_rejected": shift,
                        "reference_chosen": reference_chosen,
                        "reference_rejected": reference_rejected,
                        "policy_chosen": chosen.item(),
                        "policy_rejected": rejected.item(),
                        "c": c.item(),
                        "r": r.item(),
                        "loss": loss.item(),
                        "gradient_norm": norm,
                    }
                )
                print(f"{case} {entry}: c {c.item():.4f} r {r.item():.4f} loss {loss.item():.4f} norm {norm:.3e}")
                gradients |= {f"{entry}/{stored[name]}": p.grad.clone() for name, p in trained.items()}
    write_tensors(folder / "gradients.safetensors", gradients)
    write_json(
        folder / "expected.json",
        {
            "versions": versions(),
            "computed_in": "float64; gradients stored as float32",
            "model": f"llama/{case}",
            "pair": pair,
            "pair_index": PAIR,
            "rank": RANK,
            "alpha": ALPHA,
            "entries": entries,
        },
    )


def make_full(case):
    folder = FIXTURES / "gradients" / f"{case}-full"
    pairs = json.loads((FIXTURES / "llama" / case / "pairs.json").read_text())[:3]
    sequences = [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in pairs]
    model = load_llama(FIXTURES / "llama" / case, double=True)
    tokens = torch.cat([token_log_probs(model, **sequence) for sequence in sequences])
    loss = -tokens.mean()
    loss.backward()
    # named_parameters lists a tied head once, as model.embed_tokens.weight: its gradient is the sum of both uses.
    gradients = {name: p.grad for name, p in model.named_parameters()}
    write_tensors(folder / "gradients.safetensors", gradients)
    write_json(
        folder / "expected.json",
        {
            "versions": versions(),
            "computed_in": "float64; gradients stored as float32",
            "model": f"llama/{case}",
            "loss_name": "sft",
            "sequences": sequences,
            "tokens": len(tokens),
            "loss": loss.item(),
            "gradient_norm": torch.sqrt(sum(g.square().sum() for g in gradients.values())).item(),
        },
    )


with double_precision():
    for case in ("tied", "biases"):
        make_lora(case)
    for case in ("tied", "untied"):
        make_full(case)
