"""TRL's half of `npm run bench`: one epoch of DPOTrainer over ready token ids, timed from the outside.

    python trl_half.py --model DIR --pairs F.json --adapter DIR --started MS --out F.json
        [--batch N] [--checkpointing 0|1] [--bf16 0|1] [--threads 2] [--update 8]

DIR holds a Llama-shaped model as float32 safetensors; F.json is a list of {"prompt", "chosen", "rejected"} token ids; the
adapter folder, in PEFT's format, holds the start; MS is when the process was started, in milliseconds since 1970. What is
not given stays as DPOConfig has it: batches of 8, gradient checkpointing on. Timed: reading the model and making the
trainer, the reference pass, every optimizer update.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import trl_common

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--pairs", type=Path, required=True)
parser.add_argument("--adapter", type=Path, required=True)
parser.add_argument("--started", type=float, required=True)
parser.add_argument("--out", type=Path, required=True)
trl_common.add_settings(parser)
arguments = parser.parse_args()
trl_common.prepare_environment(arguments.threads)

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import set_peft_model_state_dict  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from tokenizers.models import WordLevel  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
)
from trl import DPOTrainer  # noqa: E402

trl_common.quiet(arguments.threads)


class TimedTrainer(DPOTrainer):
    """DPOTrainer that takes token ids as they are, and keeps times, losses and inputs.

    Losses and inputs are kept as tensors and read after training, so that recording adds nothing to the loop.
    """

    reference_seconds = 0.0

    def __init__(self, *args, **kwargs):
        self.losses = []
        self.inputs = []
        super().__init__(*args, **kwargs)

    def _prepare_dataset(self, dataset, *_):
        return dataset

    def _precompute_ref_logps(self, *args):
        start = time.perf_counter()
        dataset = super()._precompute_ref_logps(*args)
        self.reference_seconds += time.perf_counter() - start
        return dataset

    def compute_loss(self, model, inputs, *args, **kwargs):
        self.inputs.append((inputs["input_ids"], inputs["attention_mask"], inputs["completion_mask"]))
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        self.losses.append(loss.detach())
        return loss


class Clock(TrainerCallback):
    """Wall time at the start of the loop and at the end of every optimizer update."""

    def __init__(self):
        self.times = []
        self.first_begin = None
        self.first_update = None

    def on_train_begin(self, *_, **__):
        self.times = [time.perf_counter()]

    def on_step_begin(self, *_, **__):
        if self.first_begin is None:
            self.first_begin = time.time()

    def on_step_end(self, *_, **__):
        self.times.append(time.perf_counter())
        if self.first_update is None:
            self.first_update = time.time()


def start_from(model, folder):
    """Copy a PEFT folder's numbers into the trainer's own adapter: given a PeftModel, TRL would keep a second copy."""
    result = set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))
    missing = [key for key in result.missing_keys if "lora_" in key]
    if missing or result.unexpected_keys:
        sys.exit(f"{folder} does not fit the model: {(missing + result.unexpected_keys)[0]}")


def pairs_seen(input_ids, attention_mask, completion_mask):
    """The token ids of one pass, as the model saw them: first all rows of chosen answers, then those of rejected ones."""
    whole = [row[mask.bool()].tolist() for row, mask in zip(input_ids, attention_mask)]
    answers = [row[mask.bool()].tolist() for row, mask in zip(input_ids, completion_mask)]
    prompts = [ids[: len(ids) - len(answer)] for ids, answer in zip(whole, answers)]
    count = len(whole) // 2
    return [
        {
            "prompt": prompts[place],
            "rejected_prompt": prompts[count + place],
            "chosen": answers[place],
            "rejected": answers[count + place],
        }
        for place in range(count)
    ]


def update_losses(losses, counts, update):
    """The mean over the pairs of every update, from those of its passes."""
    result = []
    total = pairs = 0
    for loss, count in zip(losses, counts):
        total += loss * count
        pairs += count
        if pairs == update:
            result.append(total / pairs)
            total = pairs = 0
    return result + ([total / pairs] if pairs else [])


def measure(scratch):
    pairs = json.loads(arguments.pairs.read_text(encoding="utf-8"))
    rows = [{f"{name}_ids": pair[name] for name in ("prompt", "chosen", "rejected")} for pair in pairs]
    longest = max(len(pair["prompt"]) + max(len(pair["chosen"]), len(pair["rejected"])) for pair in pairs)
    start = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32)
    # TRL asks for a tokenizer, if only for its padding token.
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({"<pad>": 0}, unk_token="<pad>")), pad_token="<pad>", eos_token="<pad>"
    )
    clock = Clock()
    config = trl_common.configuration(arguments, scratch, longest, train_sampling_strategy="sequential")
    trainer = TimedTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=trl_common.lora(arguments),
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    start_from(trainer.model, arguments.adapter)
    setup = time.perf_counter() - start - trainer.reference_seconds
    trainer.train()

    steps = [after - before for before, after in zip(clock.times, clock.times[1:])]
    seen = [pairs_seen(*inputs) for inputs in trainer.inputs]
    report = {
        "setup_seconds": setup,
        "reference_seconds": trainer.reference_seconds,
        "training_seconds": sum(steps),
        "step_seconds": steps,
        "first_step_begins_seconds": clock.first_begin - arguments.started / 1000,
        "first_step_seconds": clock.first_update - arguments.started / 1000,
        "losses": update_losses(
            [loss.item() for loss in trainer.losses], [len(found) for found in seen], arguments.update
        ),
        "reference_log_probs": trl_common.reference_of(trainer),
        "peak_rss_bytes": trl_common.peak_memory(),
        "pairs_seen": [pair for found in seen for pair in found],
        "versions": trl_common.versions(),
        "settings": {
            "batch": config.per_device_train_batch_size,
            "accumulation": config.gradient_accumulation_steps,
            "checkpointing": config.gradient_checkpointing,
            "bf16": config.bf16,
        },
    }
    arguments.out.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))
