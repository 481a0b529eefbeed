"""Tiny random Llama models and what transformers computes with them: `fixtures/llama/<case>/`.

Each case holds config.json, model.safetensors (F32), pairs.json (token ids) and expected.json. Prompt + chosen and
prompt + rejected run separately and unpadded, once as a float32 model and once wholly in float64.
"""

import json

from oracle import FIXTURES, completion_logits, describe, double_precision, listed, load_llama, random_llama, random_pairs, versions, write_json

OLD_FORM = {"rope_theta": 10000.0, "rope_scaling": None, "torch_dtype": "float32"}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    # Small, so that of the six wavelengths some are kept, one is interpolated and the rest are stretched.
    "original_max_position_embeddings": 32,
}

# `old_form` writes rotary settings and dtype as transformers 4 did; the other cases are as transformers 5 saves them.
CASES = {
    "tied": {"seed": 11, "model": {}},
    "untied": {
        "seed": 12,
        "model": {"hidden_size": 40, "head_dim": 12, "num_key_value_heads": 4, "tie_word_embeddings": False},
    },
    "llama3-rope": {
        "seed": 13,
        "model": {
            "hidden_size": 48,
            "num_hidden_layers": 3,
            "rope_parameters": {"rope_theta": 500.0, **LLAMA3},
        },
        "old_form": {"rope_theta": 500.0, "rope_scaling": LLAMA3, "torch_dtype": "float32"},
    },
    "biases": {"seed": 14, "model": {"attention_bias": True, "mlp_bias": True}, "old_form": OLD_FORM},
}


def in_old_form(path, old):
    """Rewrite a saved config.json with transformers 4's names, and without keys that older files lack."""
    config = json.loads(path.read_text())
    for key in ("rope_parameters", "dtype", "head_dim"):
        config.pop(key, None)
    path.write_text(json.dumps({**config, **old, "transformers_version": "4.45.0"}, indent=2, sort_keys=True) + "\n")


def make(name, case):
    folder = FIXTURES / "llama" / name
    model = random_llama(case["seed"], **case["model"])
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    if "old_form" in case:
        in_old_form(folder / "config.json", case["old_form"])
    listed(folder)

    single = load_llama(folder)
    pairs = random_pairs(case["seed"])
    # Random tokens are never the likeliest: begin one answer greedily, so that the argmax match has both values.
    for position in range(3):
        logits = completion_logits(single, pairs[0]["prompt"], pairs[0]["chosen"])
        pairs[0]["chosen"][position] = logits[position].argmax().item()
    write_json(folder / "pairs.json", pairs)
    rotary = single.model.rotary_emb.inv_freq
    assert rotary.equal(model.model.rotary_emb.inv_freq), "the written config must describe the model that was made"
    answers = ("chosen", "rejected")
    expected = {
        "float32": [{answer: describe(single, pair["prompt"], pair[answer]) for answer in answers} for pair in pairs]
    }
    with double_precision():
        double = load_llama(folder, double=True)
        expected["float64"] = [
            {answer: describe(double, pair["prompt"], pair[answer]) for answer in answers} for pair in pairs
        ]
    gap = max(
        abs(a - b)
        for one, two in zip(expected["float32"], expected["float64"])
        for answer in answers
        for a, b in zip(one[answer]["log_probs"], two[answer]["log_probs"])
    )
    print(f"{name}: {model.num_parameters()} weights, float32 and float64 log-probs differ by at most {gap:.1e}")
    write_json(
        folder / "expected.json",
        {
            "versions": versions(),
            "note": "log_probs, mean_logits, entropy, is_argmax: one value per completion token; natural log",
            "rotary_inverse_frequencies": rotary.tolist(),
            "float32_against_float64": gap,
            **expected,
        },
    )


for name, case in CASES.items():
    make(name, case)
