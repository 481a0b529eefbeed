"""What the fixture makers share: versions, small files, tiny models, and log-probs by torch.

The makers run on torch, transformers, PEFT and TRL only; they import nothing of this project, so that the numbers
they write are independent of it. Each writes below `fixtures/` beside this file and is deterministic.
"""

import json
import os
import random
import sys
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.dont_write_bytecode = True

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM  # noqa: E402
from transformers.models.llama import modeling_llama  # noqa: E402

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

HERE = Path(__file__).resolve().parent
FIXTURES = HERE / "fixtures"
SHARED = HERE.parent.parent.parent / "shared"
SMOLLM2 = SHARED / "models" / "smollm2-135m-instruct"
SMOLLM2_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def versions():
    """Versions of every package whose numbers the fixtures hold."""
    from importlib.metadata import version

    names = ("torch", "transformers", "trl", "peft", "safetensors", "tokenizers", "gguf")
    return {"python": sys.version.split()[0], **{name: version(name) for name in names}}


def write_json(path, value):
    """Write `value` as JSON, numbers in full precision, innermost lists on one line; NaN is an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(layout(value) + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(HERE)} ({path.stat().st_size} bytes)")


def layout(value, depth=0):
    """JSON text of `value`, objects and lists of objects indented, lists of plain values on one line."""
    outer, inner = " " * depth, " " * (depth + 1)
    if isinstance(value, dict) and value:
        rows = [f"{inner}{json.dumps(key)}: {layout(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{outer}}}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return "[\n" + ",\n".join(inner + layout(item, depth + 1) for item in value) + f"\n{outer}]"
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def write_tensors(path, tensors):
    """Write tensors (any float dtype) as float32 safetensors."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().to(torch.float32).contiguous().clone() for name, tensor in tensors.items()}, path)
    print(f"wrote {path.relative_to(HERE)} ({path.stat().st_size} bytes)")


def listed(folder):
    """Print the files of a folder that a library wrote."""
    for path in sorted(Path(folder).iterdir()):
        print(f"wrote {path.relative_to(HERE)} ({path.stat().st_size} bytes)")


# --- tiny models ---------------------------------------------------------------------------------------------------

VOCABULARY, PAD, BOS, EOS = 97, 0, 1, 2


def random_llama(seed, scale=0.25, **overrides):
    """A Llama of some 20,000 random weights, drawn wide enough that its distributions are far from flat."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 256,
            "pad_token_id": PAD,
            "bos_token_id": BOS,
            "eos_token_id": EOS,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": True,
            **overrides,
        }
    )
    model = LlamaForCausalLM(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                parameter.copy_(1 + 0.2 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(scale * noise)
    model.tie_weights()
    return model


def load_llama(folder, double=False, attention="sdpa"):
    """Load a saved model; with `double` its weights and (see `double_precision`) its whole forward are float64."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64 if double else torch.float32, attn_implementation=attention
    )
    return model.eval()


@contextmanager
def double_precision():
    """transformers' Llama computes RMSNorm and rotary angles in float32 whatever the model's dtype: lift both."""
    norm, rotary = modeling_llama.LlamaRMSNorm.forward, modeling_llama.LlamaRotaryEmbedding.forward

    def norm_forward(self, hidden_states):
        variance = hidden_states.pow(2).mean(-1, keepdim=True)
        return self.weight * (hidden_states * torch.rsqrt(variance + self.variance_epsilon))

    def rotary_forward(self, x, position_ids):
        angles = position_ids[..., None].to(x.dtype) * self.inv_freq.to(x.dtype)
        both = torch.cat((angles, angles), dim=-1)
        return both.cos() * self.attention_scaling, both.sin() * self.attention_scaling

    modeling_llama.LlamaRMSNorm.forward = norm_forward
    modeling_llama.LlamaRotaryEmbedding.forward = rotary_forward
    try:
        yield
    finally:
        modeling_llama.LlamaRMSNorm.forward = norm
        modeling_llama.LlamaRotaryEmbedding.forward = rotary


# --- log-probs -----------------------------------------------------------------------------------------------------


def completion_logits(model, prompt, completion):
    """Logits [completion, vocabulary] that predict each completion token; one sequence, no padding, no cache."""
    ids = torch.tensor([prompt + completion])
    logits = model(input_ids=ids, use_cache=False).logits[0]
    return logits[len(prompt) - 1 : len(prompt) + len(completion) - 1]


def token_log_probs(model, prompt, completion):
    """Log-probs [completion] of the completion tokens, differentiable."""
    log_probs = torch.log_softmax(completion_logits(model, prompt, completion), dim=-1)
    return log_probs.gather(-1, torch.tensor(completion)[:, None])[:, 0]


@torch.no_grad()
def describe(model, prompt, completion, double_softmax=False):
    """Per-token figures of one completion, and their sum, as plain lists.

    Over a large vocabulary torch's float32 log_softmax on the CPU is biased by about 2e-5 a token; `double_softmax` takes
    it in float64 from the float32 logits.
    """
    logits = completion_logits(model, prompt, completion)
    if double_softmax:
        logits = logits.double()
    log_probs = torch.log_softmax(logits, dim=-1)
    tokens = log_probs.gather(-1, torch.tensor(completion)[:, None])[:, 0]
    return {
        "log_probs": tokens.tolist(),
        "sum": tokens.sum().item(),
        "mean_logits": logits.mean(-1).tolist(),
        "entropy": (-(log_probs.exp() * log_probs).sum(-1)).tolist(),
        "is_argmax": (logits.argmax(-1) == torch.tensor(completion)).tolist(),
    }


def random_ids(generator, length):
    """Ordinary token ids: none of the special ones."""
    return [generator.randrange(3, VOCABULARY) for _ in range(length)]


def random_pairs(seed):
    """Six pairs of token ids, among them the shapes that break masks and label shifts."""
    draw = random.Random(seed)
    shared = random_ids(draw, 4)
    return [
        {"note": "ordinary", "prompt": [BOS, *random_ids(draw, 6)], "chosen": [*random_ids(draw, 5), EOS], "rejected": [*random_ids(draw, 8), EOS]},
        {"note": "answers of one token", "prompt": [BOS, *random_ids(draw, 3)], "chosen": random_ids(draw, 1), "rejected": random_ids(draw, 1)},
        {"note": "prompt of one token", "prompt": [BOS], "chosen": [*random_ids(draw, 3), EOS], "rejected": [*random_ids(draw, 2), EOS]},
        {"note": "answers share their first four tokens", "prompt": [BOS, *random_ids(draw, 9)], "chosen": [*shared, *random_ids(draw, 3), EOS], "rejected": [*shared, *random_ids(draw, 6), EOS]},
        {"note": "chosen is a prefix of rejected", "prompt": [BOS, *random_ids(draw, 2)], "chosen": shared[:3], "rejected": [*shared[:3], *random_ids(draw, 2), EOS]},
        {"note": "long, rejected one token", "prompt": [BOS, *random_ids(draw, 39)], "chosen": [*random_ids(draw, 23), EOS], "rejected": [EOS]},
    ]


def save_adapter(model, folder, base):
    """Have PEFT save its adapter; `base` names the base model in place of a path on this machine."""
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    # PEFT writes the target modules from a set, in an order that changes from run to run.
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True))
    listed(folder)
