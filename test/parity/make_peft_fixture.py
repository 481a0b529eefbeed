"""Makes test/parity/fixtures/peft: a tiny LoRA adapter written by PEFT, and figures of it.

    python test/parity/make_peft_fixture.py            # writes the fixture
    python test/parity/make_peft_fixture.py FOLDER     # loads an adapter written elsewhere for the same tiny model,
                                                       # and fails on any missing or unexpected key
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

fixture = Path(__file__).parent / "fixtures" / "peft"


def tiny_model() -> LlamaForCausalLM:
    torch.manual_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64,
        )
    )  # fmt: skip


def make() -> None:
    config = LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(tiny_model(), config)
    weights = {name: value for name, value in model.named_parameters() if "lora_" in name}
    for value in weights.values():
        torch.nn.init.normal_(value)
    model.peft_config["default"].base_model_name_or_path = "tiny-llama"
    model.save_pretrained(fixture)
    (fixture / "README.md").unlink(missing_ok=True)
    figures = {
        name.removeprefix("base_model.model.").replace(".default.weight", ""): {
            "shape": list(value.shape),
            "sum": float(value.detach().double().sum()),
            "last": float(value.detach().flatten()[-1]),
        }
        for name, value in weights.items()
    }
    (fixture / "expected.json").write_text(json.dumps(figures, indent=1) + "\n")


def check(folder: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*(missing|unexpected).*")
        model = PeftModel.from_pretrained(tiny_model(), folder)
    result = model.load_adapter(folder, "again")
    missing = [key for key in result.missing_keys if "lora_" in key and "again" in key]
    print("missing", missing, "unexpected", result.unexpected_keys)
    for name, value in model.named_parameters():
        if "lora_" in name and "default" in name:
            print(name, list(value.shape), float(value.detach().double().sum()))
    module = model.base_model.model.model.layers[0].self_attn.q_proj
    print("scaling", module.scaling if hasattr(module, "scaling") else None)
    sys.exit(1 if missing or result.unexpected_keys else 0)


check(sys.argv[1]) if len(sys.argv) > 1 else make()
