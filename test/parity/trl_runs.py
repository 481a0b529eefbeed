"""TRL's DPOTrainer over ready token ids, with every number of every step recorded in full precision."""

import inspect
import logging
import os
import tempfile
import textwrap
import warnings

os.environ["TQDM_DISABLE"] = "1"

import oracle  # noqa: F401 (sets threads and determinism before the libraries start)
import torch
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast, PrinterCallback, TrainerCallback
from transformers.utils import logging as transformers_logging
from trl import DPOConfig, DPOTrainer
from trl.trainer import dpo_trainer

warnings.filterwarnings("ignore")
disable_progress_bars()
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
logging.getLogger("trl").setLevel(logging.ERROR)


def replaced(source, old, new):
    """`source` with its one occurrence of `old` replaced; anything else means TRL has changed."""
    assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times in TRL's _compute_loss"
    return source.replace(old, new)


def compute_loss(loss_name):
    """TRL's own `_compute_loss`, read from its source, with one recording line and, for MinorDPO, one ReLU."""
    source = textwrap.dedent(inspect.getsource(DPOTrainer._compute_loss))
    source = replaced(
        source,
        "    rejected_logratios = rejected_logps - ref_rejected_logps\n",
        "    rejected_logratios = rejected_logps - ref_rejected_logps\n"
        "    self.record_pairs(chosen_logps, rejected_logps, chosen_logratios, rejected_logratios)\n",
    )
    if loss_name == "minor-dpo":
        following = '\n    elif self.f_divergence_type == "forward_kl":'
        source = replaced(
            source,
            f"rejected_scores = rejected_logratios{following}",
            f"rejected_scores = torch.relu(rejected_logratios){following}",
        )
    space = dict(vars(dpo_trainer))
    exec(source, space)  # noqa: S102
    return space["_compute_loss"]


class RecordingTrainer(DPOTrainer):
    """DPOTrainer that takes rows of token ids as they are and keeps what it computes."""

    def __init__(self, *args, **kwargs):
        self.micro_batches, self.steps = [], []
        super().__init__(*args, **kwargs)

    def _prepare_dataset(self, dataset, *_):
        return dataset

    def record_pairs(self, chosen, rejected, c, r):
        columns = {"logp_chosen": chosen, "logp_rejected": rejected, "c": c, "r": r}
        self.micro_batches.append({name: value.detach().tolist() for name, value in columns.items()})

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        self.micro_batches[-1]["loss"] = loss.item()
        return loss

    def log(self, logs, start_time=None):
        super().log(logs, start_time)
        if "loss" in logs:
            columns = [name for name in self.micro_batches[0] if name != "loss"]
            pairs = {name: [v for batch in self.micro_batches for v in batch[name]] for name in columns}
            pairs["micro_batch_loss"] = [batch["loss"] for batch in self.micro_batches]
            self.steps.append({"step": self.state.global_step, **logs, "pairs": pairs})
            self.micro_batches = []


class Probe(TrainerCallback):
    """The rejected log-ratio of every distinct pair before every step, whether or not the step trains on it."""

    def __init__(self, distinct):
        self.distinct, self.r = distinct, []

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        trainer, rows = self.trainer, []
        for start in range(0, self.distinct, args.per_device_train_batch_size):
            batch = trainer.train_dataset.select(range(start, start + args.per_device_train_batch_size))
            inputs = trainer.data_collator(list(batch))
            labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
            with torch.no_grad():
                outputs = model(
                    input_ids=inputs["input_ids"],
                    attention_mask=inputs["attention_mask"],
                    labels=labels,
                    use_cache=False,
                    fused_lm_head=True,
                )
            rejected = outputs.log_probs.sum(dim=1).chunk(2)[1]
            rows += (rejected - inputs["ref_rejected_logps"]).tolist()
        self.r.append(rows)


def placeholder_tokenizer():
    """TRL asks for a tokenizer, if only for its padding token; the rows are token ids already."""
    words = {"<pad>": oracle.PAD, "<s>": oracle.BOS, "</s>": oracle.EOS}
    words |= {str(i): i for i in range(3, oracle.VOCABULARY)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="<pad>")), pad_token="<pad>", eos_token="</s>"
    )


def make_trainer(model, pairs, loss_name, settings, peft_config=None, distinct=None, tokenizer=None):
    """A trainer ready to run, its reference log-probs computed; `settings` go to DPOConfig as they are."""
    trainer_class = type("Trainer", (RecordingTrainer,), {"_compute_loss": compute_loss(loss_name)})
    probe = [Probe(distinct)] if distinct else []
    scratch = tempfile.TemporaryDirectory()
    config = DPOConfig(
        output_dir=scratch.name,
        loss_type="sft" if loss_name == "sft" else "sigmoid",
        train_sampling_strategy="sequential",
        precompute_ref_log_probs=True,
        gradient_checkpointing=False,
        bf16=False,
        fp16=False,
        use_cpu=True,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        optim="adamw_torch",
        dataloader_pin_memory=False,
        **settings,
    )
    rows = [{f"{name}_ids": pair[name] for name in ("prompt", "chosen", "rejected")} for pair in pairs]
    trainer = trainer_class(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer or placeholder_tokenizer(),
        peft_config=peft_config,
        callbacks=probe,
    )
    trainer.scratch = scratch  # removed together with the trainer
    trainer.remove_callback(PrinterCallback)
    for callback in probe:
        callback.trainer = trainer
    return trainer, probe[0] if probe else None
