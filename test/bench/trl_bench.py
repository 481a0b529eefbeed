"""TRL's half of `npm run bench`: one epoch of DPOTrainer over ready token ids, timed from the outside.

    python trl_bench.py --model DIR --pairs F.json [--adapter DIR] --threads 2 --out F.json

DIR holds a Llama-shaped model as safetensors or as one .gguf file; F.json is a list of {"prompt", "chosen",
"rejected"} token ids; the adapter folder, in PEFT's format, holds the start instead of a random one. Settings: LoRA r 16, alpha 32 on all linear layers, float32, batch 1, no accumulation, no gradient
checkpointing, reference precomputed, max_length 1024, learning rate 5e-6, AdamW. The model's loading is not timed.
The reference pass and the training loop are timed whole; beside the loop's total stands the total without its first
step, which also pays for warming up.
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--pairs", type=Path, required=True)
parser.add_argument("--adapter", type=Path)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--out", type=Path, required=True)
arguments = parser.parse_args()
# The libraries read these when they are imported.
os.environ |= {
    "OMP_NUM_THREADS": str(arguments.threads),
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}

import torch  # noqa: E402
from datasets import Dataset, disable_progress_bars  # noqa: E402
from peft import LoraConfig, set_peft_model_state_dict  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from tokenizers.models import WordLevel  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
)
from transformers.utils import logging as transformers_logging  # noqa: E402
from trl import DPOConfig, DPOTrainer  # noqa: E402

torch.set_num_threads(arguments.threads)
warnings.filterwarnings("ignore", category=FutureWarning)
disable_progress_bars()
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


class TimedTrainer(DPOTrainer):
    """DPOTrainer that takes token ids as they are, and keeps times, losses and log-probs.

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
    """Wall time at the start of the loop and at the end of every optimizer step."""

    def __init__(self):
        self.times = []

    def on_train_begin(self, *_, **__):
        self.times = [time.perf_counter()]

    def on_step_end(self, *_, **__):
        self.times.append(time.perf_counter())


def dequantise(folder, target):
    """Write a GGUF model as float32 safetensors: transformers refuses to train one that it loaded from GGUF."""
    file = sorted(folder.glob("*.gguf"))[0].name
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    tied = model.config.tie_word_embeddings
    weights = {name: value for name, value in model.state_dict().items() if not (tied and name == "lm_head.weight")}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict()
    config.pop("quantization_config", None)
    (target / "config.json").write_text(json.dumps(config))


def load(folder, scratch):
    if not (folder / "model.safetensors").exists() and any(folder.glob("*.gguf")):
        # In a process of its own, so that its memory does not count into the peak.
        child = multiprocessing.get_context("spawn").Process(target=dequantise, args=(folder, scratch))
        child.start()
        child.join()
        if child.exitcode != 0:
            sys.exit(f"cannot dequantise {folder}")
        folder = scratch
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def start_from(model, folder):
    """Copy a PEFT folder's numbers into the trainer's own adapter: given a PeftModel, TRL would keep a second copy."""
    result = set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))
    missing = [key for key in result.missing_keys if "lora_" in key]
    if missing or result.unexpected_keys:
        sys.exit(f"{folder} does not fit the model: {(missing + result.unexpected_keys)[0]}")


def pair_seen(input_ids, attention_mask, completion_mask):
    """The token ids of a step of one pair, as the model saw them: row 0 holds the chosen answer, row 1 the rejected."""
    whole = [row[mask.bool()].tolist() for row, mask in zip(input_ids, attention_mask)]
    answers = [row[mask.bool()].tolist() for row, mask in zip(input_ids, completion_mask)]
    return {
        "prompt": whole[0][: len(whole[0]) - len(answers[0])],
        "rejected_prompt": whole[1][: len(whole[1]) - len(answers[1])],
        "chosen": answers[0],
        "rejected": answers[1],
    }


def peak_memory():
    """Peak resident bytes of this program: ru_maxrss can hold what the parent had when it started this process."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024
    except (OSError, StopIteration):
        # In bytes on macOS and in KiB elsewhere.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        measure(Path(scratch))


def measure(scratch):
    pairs = json.loads(arguments.pairs.read_text(encoding="utf-8"))
    rows = [{f"{name}_ids": pair[name] for name in ("prompt", "chosen", "rejected")} for pair in pairs]
    model = load(arguments.model, scratch)
    # TRL asks for a tokenizer, if only for its padding token; with batches of one, only the shorter answer is padded.
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({"<pad>": 0}, unk_token="<pad>")), pad_token="<pad>", eos_token="<pad>"
    )
    clock = Clock()
    trainer = TimedTrainer(
        model=model,
        args=DPOConfig(
            output_dir=str(scratch),
            beta=0.1,
            learning_rate=5e-6,
            num_train_epochs=1,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=1,
            gradient_checkpointing=False,
            precompute_ref_log_probs=True,
            max_length=1024,
            optim="adamw_torch",
            bf16=False,
            fp16=False,
            use_cpu=True,
            train_sampling_strategy="sequential",
            dataloader_pin_memory=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    if arguments.adapter:
        start_from(trainer.model, arguments.adapter)
    start = time.perf_counter()
    trainer.train()
    train_call = time.perf_counter() - start
    reference = {name: list(trainer.train_dataset[f"ref_{name}_logps"]) for name in ("chosen", "rejected")}

    steps = [after - before for before, after in zip(clock.times, clock.times[1:])]
    from importlib.metadata import version

    report = {
        "pairs": len(pairs),
        "tokens": sum(2 * len(p["prompt"]) + len(p["chosen"]) + len(p["rejected"]) for p in pairs),
        "threads": torch.get_num_threads(),
        "reference_seconds": trainer.reference_seconds,
        "training_seconds": sum(steps),
        "training_seconds_without_first_step": sum(steps[1:]),
        "train_call_seconds": train_call,
        "step_seconds": steps,
        "pairs_per_second": len(pairs) / sum(steps),
        "pairs_per_second_with_reference": len(pairs) / (sum(steps) + trainer.reference_seconds),
        "losses": [loss.item() for loss in trainer.losses],
        "reference_log_probs": reference,
        "peak_rss_bytes": peak_memory(),
        "pairs_seen": [pair_seen(*inputs) for inputs in trainer.inputs],
        "versions": {
            "python": sys.version.split()[0],
            **{name: version(name) for name in ("torch", "transformers", "trl", "peft")},
        },
    }
    arguments.out.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(
        f"TRL: {len(pairs)} pairs, reference {report['reference_seconds']:.1f} s, training "
        f"{report['training_seconds']:.1f} s ({report['pairs_per_second']:.3f} pairs/s), peak "
        f"{report['peak_rss_bytes'] / 1e9:.2f} GB"
    )


if __name__ == "__main__":
    main()
