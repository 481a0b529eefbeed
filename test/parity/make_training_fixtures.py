"""Twenty optimizer steps by TRL's DPOTrainer on the `tied` model: `fixtures/training/<run>/`.

Runs: `dpo`, `minor-dpo` (TRL's loss with torch.relu on the rejected log-ratio; its derivative at 0 is 0), `sft`, all
LoRA; and `full`, `sft` over every weight. Each holds config.json, pairs.json (the ids TRL used, in its order),
adapter-start/ and adapter-final/ (PEFT folders; `full`: model-final.safetensors), and metrics.json: per step what TRL
logged, in full precision, and per pair log-probs, c and r. Every run is made twice, with torch's two attention
implementations; config.json says how far apart they end.
"""

import json
import random

import torch
from oracle import BOS, EOS, FIXTURES, load_llama, random_ids, save_adapter, versions, write_json, write_tensors
from peft import LoraConfig
from trl_runs import make_trainer

STEPS, DISTINCT = 20, 20
COMMON = {
    "beta": 0.1,
    "max_steps": STEPS,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 2,
    "max_grad_norm": 1.0,
    "weight_decay": 0.01,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "max_length": 1024,
    "seed": 7,
}
RUNS = {
    "dpo": {"loss_name": "dpo", "settings": {"learning_rate": 2e-2}},
    "minor-dpo": {"loss_name": "minor-dpo", "settings": {"learning_rate": 2e-2}},
    "sft": {"loss_name": "sft", "settings": {"learning_rate": 2e-2}},
    # One micro-batch per step: the mean over tokens is then over the whole step.
    "full": {
        "loss_name": "sft",
        "settings": {
            "learning_rate": 5e-3,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 1,
        },
    },
}


def training_pairs():
    """80 rows: 20 distinct pairs, four times over in the same order, so that a pair's gate can close and reopen."""
    draw = random.Random(31)
    pairs = []
    for _ in range(DISTINCT):
        shared = random_ids(draw, draw.choice([0, 0, 2]))
        pairs.append(
            {
                "prompt": [BOS, *random_ids(draw, draw.randint(1, 10))],
                "chosen": [*shared, *random_ids(draw, draw.randint(1, 7)), EOS],
                "rejected": [*shared, *random_ids(draw, draw.randint(1, 9)), EOS],
            }
        )
    return pairs * (STEPS * 4 // DISTINCT)


def relative_distance(one, two):
    """|one − two| / |one| over all tensors together, L2."""
    difference = sum((one[name].double() - two[name].double()).square().sum() for name in one)
    return torch.sqrt(difference / sum(tensor.double().square().sum() for tensor in one.values())).item()


def trained_tensors(model):
    return {name.replace(".default", ""): p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def run_once(loss_name, settings, full, attention, folder):
    """One run; writes adapters to `folder` unless it is None."""
    torch.manual_seed(settings["seed"])
    model = load_llama(FIXTURES / "llama" / "tied", attention=attention)
    lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    pairs = training_pairs()
    trainer, probe = make_trainer(model, pairs, loss_name, settings, None if full else lora, DISTINCT)
    if folder and not full:
        save_adapter(trainer.model, folder / "adapter-start", "llama/tied")
    start = trained_tensors(trainer.model)
    trainer.train()
    final = trained_tensors(trainer.model)
    if folder and not full:
        save_adapter(trainer.model, folder / "adapter-final", "llama/tied")
    if folder and full:
        write_tensors(folder / "model-final.safetensors", final)
    decayed = {name.replace(".default", "") for name in trainer.get_decay_parameter_names(trainer.model)}
    return {
        "steps": trainer.steps,
        "probe": probe.r,
        "start": start,
        "final": final,
        "undecayed": sorted(set(final) - decayed),
        "reference": [trainer.train_dataset[f"ref_{answer}_logps"][:DISTINCT] for answer in ("chosen", "rejected")],
    }


def gate_history(steps):
    """Per distinct pair, the signs of r at its four turns in training: + open, - closed, 0 exactly zero."""
    rows = [r for step in steps for r in step["pairs"]["r"]]
    return ["".join("+" if r > 0 else "-" if r < 0 else "0" for r in rows[i::DISTINCT]) for i in range(DISTINCT)]


def make(name, run):
    folder = FIXTURES / "training" / name
    settings, full = {**COMMON, **run["settings"]}, name == "full"
    main = run_once(run["loss_name"], settings, full, "sdpa", folder)
    other = run_once(run["loss_name"], settings, full, "eager", None)
    steps = main["steps"]
    assert len(steps) == STEPS
    losses = [step["loss"] for step in steps]
    norms = [step["grad_norm"] for step in steps]
    loss_gap = max(abs(a["loss"] - b["loss"]) for a, b in zip(steps, other["steps"]))
    distance = relative_distance(main["final"], other["final"])
    history = gate_history(steps)
    probed = ["".join("+" if r > 0 else "-" if r < 0 else "0" for r in row) for row in main["probe"]]
    nearest = min(abs(r) for step in steps for r in step["pairs"]["r"] if r != 0)
    print(f"{name}: losses {' '.join(f'{loss:.3f}' for loss in losses)}")
    print(f"{name}: grad norms {' '.join(f'{norm:.2f}' for norm in norms)}")
    print(f"{name}: gates per pair {' '.join(history)}")
    for step, row in enumerate(probed):
        print(f"{name}: before step {step + 1:2d} gates of all pairs {row}")
    closing, reopening = sum("+-" in h for h in history), sum("-+" in h for h in history)
    print(f"{name}: {closing} pairs close, {reopening} reopen; |r| nearest to 0 is {nearest:.3g}")
    print(f"{name}: two attentions differ: loss {loss_gap:.1e}, final weights {distance:.1e} relative L2")
    if name in ("dpo", "minor-dpo"):
        assert losses[-1] < 0.4
    if name == "minor-dpo":
        assert closing > 0 and reopening > 0 and nearest > 1e-3
        reopened = sum("+-" in h and "-+" in h[h.index("+-") :] for h in history)
        assert reopened > 0, "some pair's gate must close and then reopen"
    write_json(folder / "pairs.json", training_pairs())
    write_json(
        folder / "config.json",
        {
            "versions": versions(),
            "model": "llama/tied",
            "loss_name": run["loss_name"],
            "full": full,
            "dtype": "float32",
            "lora": None if full else {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "targets": "all-linear"},
            "settings": settings,
            "order": "rows of pairs.json in order, no shuffling; 4 rows a step",
            "loss_reduction": "mean over the micro-batches of a step of each micro-batch's mean"
            + (" over its chosen tokens" if run["loss_name"] == "sft" else " over pairs"),
            "metrics_reduction": "each metric is the mean of the step's micro-batches' values, num_tokens a running total",
            "learning_rate": "as TRL logs it: the one the step used, so step 1 of a warm-up uses 0",
            "weights_without_decay": main["undecayed"],
            "reference_chosen": main["reference"][0],
            "reference_rejected": main["reference"][1],
            "moved_relative_l2": relative_distance(main["start"], main["final"]),
            "two_attention_implementations": {"loss": loss_gap, "final_relative_l2": distance},
        },
    )
    write_json(
        folder / "metrics.json",
        {
            "note": "TRL's metrics per step; pairs: the step's four rows before the update",
            "steps": steps,
            "gates_per_distinct_pair": history,
            "gates_before_each_step": probed,
        },
    )


for name, run in RUNS.items():
    make(name, run)
