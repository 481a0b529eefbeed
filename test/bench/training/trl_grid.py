"""One run of TRL's half of the bench's grid: from a file of pairs to an adapter on disk.

    python trl_grid.py --model DIR --data F.jsonl --loss sigmoid --seed 0 --adapter-out DIR --out F.json
        [--learning-rate 5e-6] [--batch N] [--checkpointing 0|1] [--bf16 0|1] [--threads 2] [--update 8]

DIR holds model and tokenizer; F.jsonl holds prompt, chosen and rejected as text or messages. What was read and the
reference log-probs are written to F.json, to be compared.
"""

import argparse
import json
import tempfile
from pathlib import Path

import trl_common

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--loss", required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--longest", type=int, required=True, help="tokens of the longest sequence")
parser.add_argument("--adapter-out", type=Path, required=True)
parser.add_argument("--out", type=Path, required=True)
trl_common.add_settings(parser)
arguments = parser.parse_args()
trl_common.prepare_environment(arguments.threads)

import torch  # noqa: E402
from datasets import load_dataset  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback  # noqa: E402
from trl import DPOTrainer  # noqa: E402

trl_common.quiet(arguments.threads)


def run(scratch):
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32),
        args=trl_common.configuration(
            arguments, scratch, arguments.longest, seed=arguments.seed, loss_type=[arguments.loss]
        ),
        train_dataset=load_dataset("json", data_files=str(arguments.data), split="train"),
        processing_class=AutoTokenizer.from_pretrained(arguments.model),
        peft_config=trl_common.lora(arguments),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(arguments.adapter_out))
    pairs = [
        {
            "prompt": row["prompt_ids"],
            "rejected_prompt": row["prompt_ids"],
            "chosen": row["chosen_ids"],
            "rejected": row["rejected_ids"],
        }
        for row in trainer.train_dataset
    ]
    report = {
        "updates": trainer.state.global_step,
        "pairs_seen": pairs,
        "reference_log_probs": trl_common.reference_of(trainer),
        "peak_rss_bytes": trl_common.peak_memory(),
        "versions": trl_common.versions(),
    }
    arguments.out.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))
