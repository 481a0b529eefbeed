"""Writes fixtures/tokens/: what TRL's own trainers make of the data files there, and of real data with a real tokenizer.

    python test/parity/make_token_fixtures.py

Trains a small byte-level BPE tokenizer on the sentences below, runs DPOTrainer's and SFTTrainer's own dataset
preparation and DPOTrainer's collator, and writes every id (expected.json). With SmolLM2's tokenizer and the data beside
the repository (../shared), if they are there, it writes one hash over all their ids
(smollm2.json); the data itself stays there.
"""

import gzip
import hashlib
import json
import logging
import os
import random
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import datasets
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.data_utils import extract_prompt
from trl.trainer.dpo_trainer import DataCollatorForPreference

datasets.disable_progress_bars()
datasets.disable_caching()
# The rows whose boundary shifts are in the fixtures; a warning for each says nothing new.
transformers.logging.set_verbosity_error()
logging.getLogger("trl").setLevel(logging.ERROR)

HERE = Path(__file__).resolve().parent
FIXTURES = HERE / "fixtures" / "tokens"
SHARED = HERE.parent.parent.parent / "shared"
SMOLLM2 = SHARED / "models" / "smollm2-135m-instruct"

PREFERENCES = ["text", "chat", "implicit-text", "implicit-chat"]
COMPLETIONS = ["completion-text", "completion-chat"]
MAX_LENGTHS = [None, 64, 24, 12]

CORPUS = [
    "Once there were three hens, and every hen laid two eggs a day. The farmer sold every egg for three coins.",
    "How many eggs are left? There are three eggs left. The answer is 12. Why? Because there were two of them.",
    "system\nBe brief and kind.\nuser\nHello there, how are you?\nassistant\nI'm fine, I don't know. And you?\n\n",
    "Human: Two and two make four. Assistant: The capital of France is Paris, and so on and on.  Two  spaces.",
    "naïve café, Ωmega, 漢字, 🌍 and 🚀. One two three four five six seven eight nine ten.",
]


def read_rows(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file.read().split("\n") if line.strip()]
    return [{"index": index, **row} for index, row in enumerate(rows)]


SPECIAL_TOKENS = ["<|pad|>", "<|start|>", "<|end|>"]
STARTS_TEXTS = {"single": "<|start|> $A", "pair": "<|start|> $A $B"}
# Llama 3's way of cutting texts.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def save_tokenizer(tokenizer, folder, **config):
    start = [("<|start|>", tokenizer.token_to_id("<|start|>"))]
    tokenizer.post_processor = processors.TemplateProcessing(**STARTS_TEXTS, special_tokens=start)
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|start|>",
        "eos_token": "<|end|>",
        "pad_token": "<|pad|>",
        "model_max_length": 1024,
        **config,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def byte_level_tokenizer(pre_tokenizer):
    """A byte-level BPE of 300 tokens that starts every text with <|start|>, as Llama's tokenizers do."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_fallback_tokenizer():
    """A BPE over characters with a token for every byte of the rest, as Llama 2's."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    special = ["<unk>", *SPECIAL_TOKENS, *byte_tokens]
    trainer = trainers.BpeTrainer(vocab_size=380, special_tokens=special, show_progress=False, limit_alphabet=60)
    tokenizer.train_from_iterator(CORPUS, trainer)
    # Byte tokens are in the vocabulary, but are no added tokens.
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] not in byte_tokens]
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def make_tokenizers():
    """The main tokenizer, and two more for encoding and decoding alone, with special tokens only their configuration names."""
    save_tokenizer(byte_level_tokenizer(pre_tokenizers.ByteLevel(add_prefix_space=False)), FIXTURES)
    split = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    more = {"cls_token": "<|end_of_turn|>", "extra_special_tokens": ["<|e"]}
    save_tokenizer(byte_level_tokenizer(split), FIXTURES / "split-pattern", **more)
    save_tokenizer(byte_fallback_tokenizer(), FIXTURES / "byte-fallback", **more)


def trainer_of(kind, tokenizer):
    """A trainer that has what its dataset preparation uses, and no model."""
    trainer = kind.__new__(kind)
    trainer._tokenizer = tokenizer
    trainer.chat_template = None
    trainer.completion_only_loss = True
    return trainer


def preferences(rows, tokenizer, max_length):
    """[index, prompt, chosen, rejected] of the rows that DPOTrainer keeps, as its collator cuts them."""
    config = DPOConfig(output_dir="unused", max_length=max_length, report_to=[], use_cpu=True, bf16=False)
    dataset = trainer_of(DPOTrainer, tokenizer)._prepare_dataset(
        datasets.Dataset.from_list(rows), tokenizer, config, "train"
    )
    collate = DataCollatorForPreference(pad_token_id=tokenizer.pad_token_id, max_length=max_length)
    result = []
    for row in dataset:
        batch = collate([row])
        sides = []
        for ids, real, completion in zip(batch["input_ids"], batch["attention_mask"], batch["completion_mask"]):
            ids, completion = ids[real.bool()].tolist(), completion[real.bool()].bool().tolist()
            at = completion.index(True) if True in completion else len(ids)
            assert completion == [False] * at + [True] * (len(ids) - at)
            sides.append((ids[:at], ids[at:]))
        (prompt, chosen), (prompt_again, rejected) = sides
        assert prompt == prompt_again
        result.append([row["index"], prompt, chosen, rejected])
    return result


def completions(rows, tokenizer, max_length):
    """[index, prompt, completion] of the rows that SFTTrainer keeps; the completion is where its labels are not -100."""
    config = SFTConfig(output_dir="unused", max_length=max_length, report_to=[], use_cpu=True, bf16=False)
    dataset = trainer_of(SFTTrainer, tokenizer)._prepare_dataset(
        datasets.Dataset.from_list(rows), tokenizer, config, False, None, "train"
    )
    result = []
    for row in dataset:
        ids, labels = row["input_ids"], row["labels"]
        at = next(place for place, label in enumerate(labels) if label != -100)
        assert labels == [-100] * at + ids[at:]
        result.append([row["index"], ids[:at], ids[at:]])
    return result


def as_completions(rows):
    """Preference rows as SFTTrainer takes them: the prompt (split off if implicit) and the chosen answer."""
    split = [row if "prompt" in row else {**row, **extract_prompt(row)} for row in rows]
    return [{"index": row["index"], "prompt": row["prompt"], "completion": row["chosen"]} for row in split]


def digest(value):
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


def lengths(result):
    return [[row[0], *(len(ids) for ids in row[1:])] for row in result]


def random_texts(count, seed):
    """Texts of pieces where tokenizers are known to differ: white space of every kind, scripts, marks, special tokens."""
    draw = random.Random(seed)
    spaces = [" ", "  ", "\n", "\n\n", "\t", "\r\n", "\u0085", "\u00a0", "\u2003", "\u2028", "\u3000", "\ufeff", "\u200b"]
    words = ["the", "eggs", "don't", "I'LL", "'s", "'re", "Ünïcode", "ß", "漢字", "かな", "עברית", "हिन्दी", "e\u0301", "ǅ"]
    others = ["1", "23", "²", "½", "٣", "Ⅷ", "!", "...", "—", "🌍", "👩‍🚀", "\u0000", "\u001c", "_", "<|end|>", "<|im_end|>"]
    others += ["<|", "|>", "�", "\ue000", "\U0010ffff", "𝒳", "\u0301"]
    pools = [spaces, words, words, others]
    return ["".join(draw.choice(draw.choice(pools)) for _ in range(draw.randint(1, 14))) for _ in range(count)]


def texts_and_pieces(tokenizer, texts):
    """Ids of each text, and the text of a random piece of them (often cut within a character), with and without special tokens."""
    draw = random.Random(1)
    result = []
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        start = draw.randrange(len(ids))
        piece = ids[start : draw.randint(start, len(ids))]
        plain = tokenizer.decode(piece)
        clean = tokenizer.decode(piece, skip_special_tokens=True)
        result.append({"text": text, "ids": ids, "from": start, "to": start + len(piece), "decoded": plain, "clean": clean})
    return result


def write(name, value):
    # One entry a line keeps later changes readable.
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(entry, ensure_ascii=True)}" for key, entry in value.items())
    (FIXTURES / name).write_text("{\n" + lines + "\n}\n")


def tiny_fixture():
    make_tokenizers()
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES)
    expected = {}
    runs = [(name, preferences, read_rows(FIXTURES / f"{name}.jsonl")) for name in PREFERENCES]
    runs += [(name, completions, read_rows(FIXTURES / f"{name}.jsonl")) for name in COMPLETIONS]
    runs += [(f"{name} as completions", completions, as_completions(rows)) for name, _, rows in runs[: len(PREFERENCES)]]
    for name, prepare, rows in runs:
        for max_length in MAX_LENGTHS:
            result = prepare(rows, tokenizer, max_length)
            entry = {"rows": result} if max_length is None else {"lengths": lengths(result), "sha256": digest(result)}
            expected[f"{name}, {max_length}"] = entry
    rows = read_rows(FIXTURES / "chat.jsonl")
    expected["rendered"] = [
        [tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=add) for add in (True, False)]
        for row in rows
    ]
    tokenizer.chat_template = (FIXTURES / "chat_template_thinking.jinja").read_text()
    expected["thinking, chat, None"] = {"rows": preferences(rows, tokenizer, None)}
    write("expected.json", expected)

    tokenizer = AutoTokenizer.from_pretrained(FIXTURES)
    write("texts.json", {"texts": texts_and_pieces(tokenizer, random_texts(150, seed=0))})
    texts = [*random_texts(100, seed=2), "Stop.<|end_of_turn|> <|end|> <|e <|en"]
    for name in ("split-pattern", "byte-fallback"):
        tokenizer = AutoTokenizer.from_pretrained(FIXTURES / name)
        write(f"{name}/texts.json", {"texts": texts_and_pieces(tokenizer, texts)})


def smollm2_fixture():
    tokenizer = AutoTokenizer.from_pretrained(SMOLLM2)
    gsm8k = read_rows(SHARED / "data" / "gsm8k-pairs.jsonl")
    hh_rlhf = read_rows(SHARED / "data" / "hh-rlhf-harmless-base-test.jsonl.gz")[:600]
    expected = {}
    for name, rows, max_lengths in [("gsm8k-pairs", gsm8k, [1024, 128]), ("hh-rlhf", hh_rlhf, [1024, 96])]:
        runs = [("preferences", preferences, rows), ("completions", completions, as_completions(rows))]
        for kind, prepare, prepared_rows in runs:
            for max_length in max_lengths:
                result = prepare(prepared_rows, tokenizer, max_length)
                entry = {"count": len(result), "sha256": digest(result)}
                expected[f"{name}, {kind}, {max_length}"] = entry
    texts = [entry["text"] for entry in json.loads((FIXTURES / "texts.json").read_text())["texts"]]
    rows = texts_and_pieces(tokenizer, texts)
    expected["texts"] = {
        "ids": digest([row["ids"] for row in rows]),
        "decoded": digest([[row["from"], row["to"], row["decoded"], row["clean"]] for row in rows]),
        "pieces": [[row["from"], row["to"]] for row in rows],
    }
    write("smollm2.json", expected)


if __name__ == "__main__":
    tiny_fixture()
    if SMOLLM2.is_dir():
        smollm2_fixture()
    else:
        print(f"{SMOLLM2} is not there: smollm2.json is left as it is")
