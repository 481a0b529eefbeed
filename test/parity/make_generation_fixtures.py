"""Greedy text by transformers' `generate`: `fixtures/generation/` for the tiny models, `fixtures/smollm2/` for a real one.

SmolLM2 comes from the GGUF file in ../shared, dequantised by the gguf package as transformers does it, in float32; it
is left out where the file is absent. Its folder also holds per-token log-probs of the first eight GSM8K pairs, tokenised
by TRL's DPOTrainer. Every greedy step comes with its lead (first logit minus second): a lead near 0 could tip.
"""

import hashlib
import json
import struct
import random

import torch
from oracle import BOS, FIXTURES, SHARED, SMOLLM2, SMOLLM2_GGUF, describe, load_llama, random_ids, versions, write_json
from transformers import AutoModelForCausalLM, AutoTokenizer

CHAT_PROMPTS = [
    "What is the capital of France?",
    "Tom has 3 boxes with 4 pens each. He gives away 5 pens. How many pens are left?",
    "Who wrote Hamlet? Answer in one sentence.",
    "List three colours of the rainbow.",
]
GREEDY = {"do_sample": False, "num_beams": 1, "return_dict_in_generate": True, "output_logits": True}


def greedy(model, prompt, new_tokens, eos):
    """Greedy continuation of one prompt (ids), ending early at `eos` (kept) as `generate` does."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new_tokens,
            eos_token_id=eos,
            pad_token_id=eos if eos is not None else 0,
            **GREEDY,
        )
    top = torch.stack(out.logits)[:, 0].topk(2).values
    leads = (top[:, 0] - top[:, 1]).tolist()
    return {
        "prompt": prompt,
        "completion": out.sequences[0, len(prompt) :].tolist(),
        "leads": leads,
        "smallest_lead": min(leads),
    }


def make_tiny():
    for case in ("tied", "untied", "llama3-rope"):
        model = load_llama(FIXTURES / "llama" / case)
        draw = random.Random(51)
        prompts = [[BOS], *([BOS, *random_ids(draw, length)] for length in (1, 4, 9, 30))]
        runs = [greedy(model, prompt, 40, None) for prompt in prompts]
        # The end-of-text token of this run is one that greedy decoding reaches halfway, so that stopping is tested.
        eos = runs[-1]["completion"][20]
        stopped = {"eos_token_id": eos, **greedy(model, prompts[-1], 40, eos)}
        distinct = [len(set(run["completion"])) for run in runs]
        lead = min(run["smallest_lead"] for run in runs)
        print(f"{case}: distinct tokens {distinct}, smallest lead {lead:.2e}, stops after {len(stopped['completion'])}")
        assert lead > 1e-3
        write_json(
            FIXTURES / "generation" / f"{case}.json",
            {
                "versions": versions(),
                "model": f"llama/{case}",
                "new_tokens": 40,
                "note": "runs ignore the end-of-text token; `stopped` ends with it",
                "runs": runs,
                "stopped": stopped,
            },
        )


def tokenise_by_trl(tokenizer, rows):
    """Token ids as TRL's DPOTrainer makes them: its own dataset preparation, called without a trainer."""
    from datasets import Dataset, disable_progress_bars
    from trl import DPOConfig, DPOTrainer

    disable_progress_bars()
    holder = DPOTrainer.__new__(DPOTrainer)
    holder._tokenizer = tokenizer
    config = DPOConfig(output_dir="unused", max_length=1024, use_cpu=True, bf16=False)
    prepared = DPOTrainer._prepare_dataset(holder, Dataset.from_list(rows), tokenizer, config, "train")
    return [{name: row[f"{name}_ids"] for name in ("prompt", "chosen", "rejected")} for row in prepared]


def ids_hash(parts):
    """SHA-256 over the parts' lengths and then all ids, as little-endian 32-bit integers."""
    words = [len(part) for part in parts] + [token for part in parts for token in part]
    return hashlib.sha256(struct.pack(f"<{len(words)}i", *words)).hexdigest()


def make_smollm2():
    if not (SMOLLM2 / SMOLLM2_GGUF).exists():
        print("SmolLM2 is absent: fixtures/smollm2 left as it is")
        return
    tokenizer = AutoTokenizer.from_pretrained(SMOLLM2)
    model = AutoModelForCausalLM.from_pretrained(SMOLLM2, gguf_file=SMOLLM2_GGUF, dtype=torch.float32).eval()
    written = json.loads((SMOLLM2 / "config.json").read_text())
    for key in ("rope_parameters", "rms_norm_eps", "num_key_value_heads", "tie_word_embeddings"):
        assert str(getattr(model.config, key)) == str(written[key]), f"GGUF and config.json differ in {key}"
    source = {"model": SMOLLM2_GGUF, "computed_in": "float32", "versions": versions()}

    runs = []
    for text in CHAT_PROMPTS:
        rendered = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
        )
        ids = tokenizer(rendered, add_special_tokens=False)["input_ids"]
        run = greedy(model, ids, 48, tokenizer.eos_token_id)
        runs.append({"content": text, "rendered": rendered, **run, "text": tokenizer.decode(run["completion"])})
        print(f"SmolLM2 {text!r}: {runs[-1]['text']!r}, smallest lead {run['smallest_lead']:.2e}")
    assert min(run["smallest_lead"] for run in runs) > 1e-2
    write_json(FIXTURES / "smollm2" / "greedy.json", {**source, "new_tokens": 48, "runs": runs})

    with open(SHARED / "data" / "gsm8k-pairs.jsonl", encoding="utf-8") as file:
        rows = [json.loads(next(file)) for _ in range(8)]
    rows = [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
    pairs = tokenise_by_trl(tokenizer, rows)
    for index, pair in enumerate(pairs):
        for answer in ("chosen", "rejected"):
            figures = describe(model, pair["prompt"], pair[answer], double_softmax=True)
            pair[f"{answer}_log_probs"] = figures["log_probs"]
            pair[f"{answer}_sum"] = sum(figures["log_probs"])
        lengths = " ".join(str(len(pair[name])) for name in ("prompt", "chosen", "rejected"))
        print(f"SmolLM2 pair {index}: {lengths} tokens, {pair['chosen_sum']:.3f} {pair['rejected_sum']:.3f}")
        # The data's ids stay where the data is: a hash tells that both sides scored the same.
        pair["ids_sha256"] = ids_hash([pair.pop(name) for name in ("prompt", "chosen", "rejected")])
    write_json(
        FIXTURES / "smollm2" / "gsm8k-log-probs.json",
        {**source, "data": "first 8 rows of gsm8k-pairs.jsonl, tokenised by TRL; log-softmax and sums in float64", "pairs": pairs},
    )


make_tiny()
make_smollm2()
