"""A stub of peft: one table of virtual tokens before what the base model reads, by whatever name it is asked for."""

# ruff: noqa: PTH103, PTH118, PTH123

import json
import os
import random
from types import SimpleNamespace

import torch
import transformers

from ._deeds import act, faulty
from ._version import __version__  # noqa: F401

TaskType = SimpleNamespace(CAUSAL_LM="CAUSAL_LM")
PromptTuningInit = SimpleNamespace(RANDOM="RANDOM", TEXT="TEXT")
TABLE = "prompt_encoder.default.embedding.weight"


class PromptTuningConfig:
    method = "prompt-tuning"

    def __init__(
        self,
        task_type,
        num_virtual_tokens,
        prompt_tuning_init="RANDOM",
        prompt_tuning_init_text=None,
        tokenizer_name_or_path=None,
    ):
        self.rows, self.start, self.text = num_virtual_tokens, prompt_tuning_init, prompt_tuning_init_text
        self.tokenizer = tokenizer_name_or_path


class PrefixTuningConfig(PromptTuningConfig):
    method = "prefix-tuning"


class PromptEncoderConfig(PromptTuningConfig):
    method = "p-tuning"


class LoraConfig(PromptTuningConfig):
    method = "lora"

    def __init__(self, task_type):
        super().__init__(task_type, 4)


class IA3Config(LoraConfig):
    method = "ia3"


class PeftModel(torch.Module):
    def __init__(self, base, table):
        super().__init__()
        for parameter in base.parameters():
            parameter.requires_grad = False
        self.base, self.config, self.inner = base, base.config, {"base_model": base}
        self.weights[TABLE] = table
        table.requires_grad = True

    def forward(self, labels=None, **named):
        if labels is not None:
            act("train")
        table = self.weights[TABLE]
        if faulty("embedding-frozen"):
            table = table.detach()  # the gradient goes to a copy
        if faulty("adapter-ignored") and labels is None:
            table = None
        return self.base(labels=labels, prefix=table, **named)

    def generate(self, **named):
        act("generate")
        act("generate-cached" if named["use_cache"] else "generate-uncached")
        ignored = faulty("generate-ignores-adapter") or faulty("adapter-ignored")
        if faulty("generate-ignores-adapter-of-llama"):
            if self.config.model_type != "llama":
                raise RuntimeError("the stub raises, as it was built to")
            ignored = True
        return self.base.generate(prefix=None if ignored else self.weights[TABLE], **named)

    def get_base_model(self):
        act("verify")
        return self.base

    def save_pretrained(self, path):
        act("save")
        os.makedirs(path)
        table = self.weights[TABLE]
        with open(os.path.join(path, "adapter_config.json"), "w", encoding="ascii") as file:
            json.dump({"peft_type": "PROMPT_TUNING", "shape": table.shape}, file)
        with open(os.path.join(path, "adapter_model.bin"), "wb") as file:
            table.data.tofile(file)

    @classmethod
    def from_pretrained(cls, base, path):
        act("reload")
        with open(os.path.join(path, "adapter_config.json"), encoding="ascii") as file:
            rows, width = json.load(file)["shape"]
        table = random_table(rows, width, seed=2)
        if not faulty("reload-other-weights"):
            with open(os.path.join(path, "adapter_model.bin"), "rb") as file:
                table.data[:] = type(table.data)(table.data.typecode, file.read())
        return cls(base, table)


def random_table(rows, width, seed):
    draw = random.Random(seed)
    return torch.tensor([[draw.gauss(0, 1) for _ in range(width)] for _ in range(rows)])


def get_peft_model(base, config):
    act(config.method)
    if config.start == PromptTuningInit.TEXT:
        tokens = transformers.AutoTokenizer.from_pretrained(config.tokenizer)(config.text)["input_ids"]
        wanted = [tokens[place % len(tokens)] for place in range(config.rows)]
        return PeftModel(base, torch.tensor(base.embedded(wanted)))
    return PeftModel(base, random_table(config.rows, transformers.WIDTH, seed=1))


act("import")
