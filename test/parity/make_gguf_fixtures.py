"""Makes the GGUF fixtures from the Python packages gguf, safetensors and transformers.

    python test/parity/make_gguf_fixtures.py            # writes test/parity/fixtures/{gguf,safetensors}
    python test/parity/make_gguf_fixtures.py FILE.gguf  # prints figures of a real file, for src/main/formats/gguf.test.ts

blocks.json: random blocks of every supported type and what gguf.quants.dequantize makes of them.
tiny-llama.gguf: a random two-layer Llama in mixed types, with a small byte-level tokenizer; q and k are permuted as
llama.cpp's convert_hf_to_gguf.py does. expected.safetensors: the same weights as transformers reads them from it.
llama3-rope.json: what Llama 3's rotary scaling divides the frequencies by; the last case is none of Llama 3's models.
"""

import base64
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

fixtures = Path(__file__).parent / "fixtures"

# Byte offsets of the half-precision scales within a block.
scales = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q2_K: [80, 82],
    Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}  # fmt: skip


def make_blocks(random: np.random.Generator) -> None:
    result = {}
    for kind in [Type.F32, Type.F16, Type.BF16, *scales]:
        size, width = gguf.GGML_QUANT_SIZES[kind]
        count = 6 if kind in scales else 64
        if kind is Type.F32:
            data = random.standard_normal(count).astype(np.float32).view(np.uint8)
        elif kind is Type.F16:
            data = random.standard_normal(count).astype(np.float16).view(np.uint8)
        elif kind is Type.BF16:
            data = quantize(random.standard_normal(count).astype(np.float32), kind).view(np.uint8)
        else:
            blocks = random.integers(0, 256, (count, width), dtype=np.uint8)
            for place in scales[kind]:
                # Positive, negative, large, subnormal, zero: every finite kind of scale.
                halves = np.array([random.normal(), -random.uniform(), 60000, -(2.0**-24), 0, 0.1], dtype=np.float16)
                blocks[:, place : place + 2] = halves.view(np.uint8).reshape(count, 2)
            data = blocks.reshape(-1)
        floats = dequantize(data, kind).astype(np.float32)
        assert floats.size == count * size and np.isfinite(floats).all()
        result[kind.name] = {
            "bytes": base64.b64encode(data.tobytes()).decode(),
            "floats": base64.b64encode(floats.tobytes()).decode(),
        }
    (fixtures / "gguf" / "blocks.json").write_text(json.dumps(result, indent=1) + "\n")


def permute(weights: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp, convert_hf_to_gguf.py, LlamaModel.permute."""
    shape = weights.shape
    return weights.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def make_model(random: np.random.Generator) -> None:
    hidden, heads, groups, layers, inner = 64, 4, 2, 2, 96
    byte_tokens = list("abcdefghijklmnopqrstuvwxyz0123456789.,!?'\u0120\u010a")
    tokens = ["<|end|>", "<|user|>", *byte_tokens, "th", "\u0120a", "the"]
    path = fixtures / "gguf" / "tiny-llama.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tiny Llama")
    writer.add_context_length(128)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, *[1] * (len(tokens) - 2)])
    writer.add_token_merges(["t h", "\u0120 a", "th e"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_chat_template("{% for message in messages %}<|user|>{{ message.content }}{% endfor %}")

    def add(name: str, shape: tuple[int, ...], kind: Type, heads: int | None = None) -> None:
        values = random.standard_normal(shape).astype(np.float32)
        if heads is not None:
            values = permute(values, heads)
        writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)

    add("token_embd.weight", (len(tokens), hidden), Type.Q8_0)
    add("output_norm.weight", (hidden,), Type.F32)
    for layer in range(layers):
        block = f"blk.{layer}"
        add(f"{block}.attn_norm.weight", (hidden,), Type.F32)
        add(f"{block}.attn_q.weight", (hidden, hidden), Type.Q4_0, heads)
        add(f"{block}.attn_k.weight", (hidden // heads * groups, hidden), Type.Q5_1, groups)
        add(f"{block}.attn_v.weight", (hidden // heads * groups, hidden), Type.F16)
        add(f"{block}.attn_output.weight", (hidden, hidden), Type.BF16)
        add(f"{block}.ffn_norm.weight", (hidden,), Type.F32)
        add(f"{block}.ffn_gate.weight", (inner, hidden), Type.Q5_0)
        add(f"{block}.ffn_up.weight", (inner, hidden), Type.Q4_1)
        add(f"{block}.ffn_down.weight", (hidden, inner), Type.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(read_with_transformers(path), fixtures / "gguf" / "expected.safetensors", {"format": "pt"})


def read_with_transformers(path: Path) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / path.name).symlink_to(path.resolve())
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=path.name, dtype=torch.float32)
    return {
        name: value.numpy()
        for name, value in model.state_dict().items()
        if not (name == "lm_head.weight" and model.config.tie_word_embeddings)
    }


def make_safetensors() -> None:
    """The reference implementation's layout, and one tensor of every float type."""
    values = np.array([0, 1, -2.5, 65504, 6e-8, 0.1, -0.0, 3.14159], dtype=np.float32)
    save_file(
        {"b.weight": values.reshape(2, 4), "a.bias": values[:3].copy(), "\u00e9.empty": np.zeros((0, 3), np.float32)},
        fixtures / "safetensors" / "f32.safetensors",
        {"format": "pt"},
    )
    save_file({"half": values.astype(np.float16)}, fixtures / "safetensors" / "f16.safetensors")
    save_file({"double": values.astype(np.float64) / 3}, fixtures / "safetensors" / "f64.safetensors")
    from safetensors.torch import save_file as save_torch

    save_torch({"brain": torch.from_numpy(values).bfloat16()}, fixtures / "safetensors" / "bf16.safetensors")


def make_rope() -> None:
    """What Llama 3's scaling divides each rotary frequency by, from transformers' own function."""
    cases = []
    for head, base, factor, high in [(64, 500000.0, 32.0, 4.0), (128, 500000.0, 8.0, 4.0), (64, 500000.0, 8.0, 3.0)]:
        scaling = {"rope_type": "llama3", "rope_theta": base, "factor": factor, "low_freq_factor": 1.0,
                   "high_freq_factor": high, "original_max_position_embeddings": 8192}  # fmt: skip
        config = LlamaConfig(hidden_size=head, num_attention_heads=1, rope_parameters=scaling)
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
        plain = 1.0 / base ** (torch.arange(0, head, 2).float() / head)
        cases.append({"rope_parameters": scaling, "divisors": (plain / scaled).tolist()})
    (fixtures / "gguf" / "llama3-rope.json").write_text(json.dumps(cases, indent=1) + "\n")


def print_figures(path: Path) -> None:
    weights = read_with_transformers(path)
    print(len(weights), "tensors", sum(value.size for value in weights.values()), "elements")
    for name in ["model.embed_tokens.weight", "model.norm.weight", "model.layers.0.self_attn.q_proj.weight",
                 "model.layers.29.self_attn.k_proj.weight", "model.layers.7.mlp.down_proj.weight"]:  # fmt: skip
        value = weights[name]
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        print(name, list(value.shape), float(value.sum(dtype=np.float64)), digest)


if len(sys.argv) > 1:
    print_figures(Path(sys.argv[1]))
else:
    make_blocks(np.random.default_rng(1))
    make_model(np.random.default_rng(2))
    make_safetensors()
    make_rope()
