"""transformers' half of `npm run bench:generation`: greedy `generate` over ready token ids, timed from within.

    python transformers_half.py --model DIR --work F.json --batch N --threads 2 --out F.json

DIR holds a Llama-shaped model as float32 safetensors. F.json is {"prompts": lists of token ids, "end_tokens": ids that end an
answer (none: each has max_tokens), "max_tokens": N, "adapters": folders in PEFT's format}. Prompts are answered in batches from
the longest to the shortest, padded on the left, in float32, once per adapter (merged into the weights, which is fastest) or once
by the base where there is none. Reading and merging weights, and a short answer to warm up, are not timed.
"""

import argparse
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--work", type=Path, required=True)
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--out", type=Path, required=True)
arguments = parser.parse_args()
# What the libraries read when they are imported.
os.environ |= {"OMP_NUM_THREADS": str(arguments.threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, StoppingCriteria  # noqa: E402
from transformers.utils import logging  # noqa: E402

torch.set_num_threads(arguments.threads)
logging.set_verbosity_error()
logging.disable_progress_bar()


class Clock(StoppingCriteria):
    """Notes when the first token of a batch is there, and stops nothing."""

    def __init__(self):
        self.first = None

    def __call__(self, input_ids, scores, **kwargs):
        if self.first is None:
            self.first = time.perf_counter()
        return torch.zeros(input_ids.shape[0], dtype=torch.bool)


def answer(model, prompts, end_tokens, max_tokens):
    """New token ids of each prompt, with the seconds until the first of them were there."""
    padding = 0
    longest = max(map(len, prompts))
    ids = torch.tensor([[padding] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    clock = Clock()
    start = time.perf_counter()
    with torch.inference_mode():
        whole = model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=max_tokens,
            do_sample=False,
            pad_token_id=padding,
            eos_token_id=end_tokens or None,
            stopping_criteria=[clock],
        )
    new = [row[longest:].tolist() for row in whole]
    ends = set(end_tokens)
    lengths = [next((at + 1 for at, token in enumerate(row) if token in ends), len(row)) for row in new]
    return [row[:length] for row, length in zip(new, lengths)], clock.first - start


def measure(model, work):
    prompts, rest = work["prompts"], (work["end_tokens"], work["max_tokens"])
    order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
    answer(model, [prompts[place] for place in order[: arguments.batch]], [], 4)
    answers, prompt_seconds = {}, 0.0
    start = time.perf_counter()
    for at in range(0, len(order), arguments.batch):
        places = order[at : at + arguments.batch]
        found, seconds = answer(model, [prompts[place] for place in places], *rest)
        answers |= dict(zip(places, found))
        prompt_seconds += seconds
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "prompt_seconds": prompt_seconds,
        "answers": [answers[place] for place in range(len(prompts))],
    }


def load(adapter):
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    # What comes with the model must not change greedy answers: no penalty, no end tokens of its own.
    model.generation_config = type(model.generation_config)()
    if adapter is None:
        return model
    from peft import PeftModel

    return PeftModel.from_pretrained(model, adapter).merge_and_unload()


def peak_memory():
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024
    except (OSError, StopIteration):
        return 0


if __name__ == "__main__":
    given = json.loads(arguments.work.read_text(encoding="utf-8"))
    arms = [measure(load(adapter), given) for adapter in given["adapters"] or [None]]
    names = ["torch", "transformers"] + (["peft"] if given["adapters"] else [])
    report = {
        "arms": arms,
        "peak_rss_bytes": peak_memory(),
        "versions": {"python": sys.version.split()[0], **{name: version(name) for name in names}},
    }
    arguments.out.write_text(json.dumps(report), encoding="utf-8")
