"""What both of TRL's scripts share: trl_half.py and trl_grid.py. Import it after `prepare_environment`."""

import os
import resource
import sys
import warnings
from importlib.metadata import version
from pathlib import Path


def prepare_environment(threads):
    """Set what the libraries read when they are imported."""
    os.environ |= {
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
    }


def quiet(threads):
    """Load the libraries and keep them from writing anything but errors."""
    import torch
    from datasets import disable_progress_bars
    from transformers.utils import logging

    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", category=FutureWarning)
    disable_progress_bars()
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def add_settings(parser):
    """Arguments of a configuration. What is not given is TRL's own default."""
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="pairs per pass; the rest of an update is accumulated")
    parser.add_argument("--checkpointing", type=int, choices=(0, 1), help="gradient checkpointing")
    parser.add_argument("--bf16", type=int, choices=(0, 1), default=0)
    parser.add_argument("--update", type=int, default=8, help="pairs per optimizer update")
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-6)


def configuration(arguments, output, longest, **extra):
    """DPOConfig for arguments of `add_settings`: its defaults, but float32 on the CPU, the reference computed first and
    no logs and checkpoints on the way.

    longest: tokens of the longest sequence; max_length is raised to it, so that nothing is cut.
    """
    from trl import DPOConfig

    given = {}
    if arguments.batch is not None:
        given["per_device_train_batch_size"] = arguments.batch
    if arguments.checkpointing is not None:
        given["gradient_checkpointing"] = bool(arguments.checkpointing)
    batch = given.get("per_device_train_batch_size", DPOConfig.per_device_train_batch_size)
    if arguments.update % batch != 0:
        sys.exit(f"updates of {arguments.update} pairs cannot be made of batches of {batch}")
    return DPOConfig(
        output_dir=str(output),
        beta=arguments.beta,
        learning_rate=arguments.learning_rate,
        num_train_epochs=1,
        gradient_accumulation_steps=arguments.update // batch,
        precompute_ref_log_probs=True,
        max_length=max(DPOConfig.max_length, longest),
        bf16=bool(arguments.bf16),
        use_cpu=True,
        dataloader_pin_memory=False,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **given,
        **extra,
    )


def lora(arguments):
    from peft import LoraConfig

    return LoraConfig(
        r=arguments.rank,
        lora_alpha=arguments.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def peak_memory():
    """Peak resident bytes of this program: ru_maxrss can hold what the parent had when it started this process."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024
    except (OSError, StopIteration):
        # In bytes on macOS and in KiB elsewhere.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def versions():
    return {
        "python": sys.version.split()[0],
        **{name: version(name) for name in ("torch", "transformers", "trl", "peft")},
    }


def reference_of(trainer):
    """Summed log-probs of both answers of every pair, in the data's order."""
    return {name: list(trainer.train_dataset[f"ref_{name}_logps"]) for name in ("chosen", "rejected")}
