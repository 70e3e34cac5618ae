"""A stub of transformers: a toy language model, trained by real gradient steps, with two ways to generate.

The hidden state at position t is e[t] + 0.7 e[t-1] + 3 / (t+1) * (the sum over s <= t of scale[s] e[s]),
e being the embeddings (virtual ones first); the logits are a matrix times it. It attends to all that came
before, is not blind to the order, and is linear in the virtual tokens: their gradient takes a few lines.
"""

# ruff: noqa: B905, PTH112, PTH113, PTH118, PTH123, UP031

import json
import math
import os
import random
from types import SimpleNamespace

import accelerate
import tokenizers
import torch

from ._deeds import act, faulty
from ._version import __version__  # noqa: F401

VOCABULARY, WIDTH, LENGTH, END = 24, 6, 256, 0


def dot(one, other):
    return sum(map(float.__mul__, one, other))


class AutoTokenizer:
    pad_token_id = END

    @classmethod
    def from_pretrained(cls, path, trust_remote_code=False):
        return cls()

    def __call__(self, texts, truncation=False, max_length=None):
        act("tokenize")
        one = isinstance(texts, str)
        ids = [tokenizers.encode(text, VOCABULARY)[:max_length] for text in ([texts] if one else texts)]
        encoded = {"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]}
        return {name: rows[0] for name, rows in encoded.items()} if one else encoded


class BloomForCausalLM(torch.Module):
    def __init__(self, model_type="bloom"):
        super().__init__()
        self.config = SimpleNamespace(eos_token_id=END, model_type=model_type)
        draw = random.Random(560)
        for name in ("word_embeddings.weight", "lm_head.weight"):
            rows = [[draw.gauss(0, 1) for _ in range(WIDTH)] for _ in range(VOCABULARY)]
            self.weights[name] = torch.tensor(rows)
            self.weights[name].requires_grad = True
        self.state["position_scale"] = torch.tensor([(1.0, 0.5, 0.75)[each % 3] for each in range(LENGTH)])

    def embedded(self, tokens):
        table = self.weights["word_embeddings.weight"].tolist()
        return [table[token] for token in tokens]

    def hidden(self, row, previous, total, count):
        return [a + 0.7 * b + 3 * c / count for a, b, c in zip(row, previous, total)]

    def scores(self, hidden):
        return [dot(row, hidden) for row in self.weights["lm_head.weight"].tolist()]

    def forward(self, input_ids, attention_mask=None, labels=None, use_cache=True, prefix=None):
        """The loss where there are labels; otherwise the logits, of the last position only."""
        front = prefix.tolist() if prefix is not None else []
        if labels is not None:
            return SimpleNamespace(loss=self.loss(front, input_ids.tolist(), labels.tolist(), prefix))
        if not front:
            act("verify")
        rows = front + self.embedded(input_ids[0].tolist())
        return SimpleNamespace(logits=torch.tensor([[self.scores(self.last(rows))]]))

    def last(self, rows):
        """The last hidden state, from the whole sequence."""
        scale = self.state["position_scale"].tolist()
        total = [sum(weight * each for weight, each in zip(scale, column)) for column in zip(*rows)]
        return self.hidden(rows[-1], rows[-2] if len(rows) > 1 else [0.0] * WIDTH, total, len(rows))

    def loss(self, front, texts, labels, prefix):
        """Cross-entropy of each next token, and its gradient with respect to the virtual tokens."""
        head, scale = self.weights["lm_head.weight"].tolist(), self.state["position_scale"].tolist()
        loss, count, zero, size = 0.0, 0, [0.0] * WIDTH, len(front)
        shared, direct = zero[:], [zero[:] for _ in front]
        for tokens, wanted in zip(texts, labels):
            rows, total = front + self.embedded(tokens), zero
            wanted = [-100] * size + wanted
            for place, row in enumerate(rows[:-1]):
                total = [a + scale[place] * b for a, b in zip(total, row)]
                if wanted[place + 1] == -100:
                    continue
                hidden = self.hidden(row, rows[place - 1] if place else zero, total, place + 1)
                scores = [dot(line, hidden) for line in head]
                high = max(scores)
                powers = [math.exp(each - high) for each in scores]
                whole = sum(powers)
                loss, count = loss + math.log(whole) + high - scores[wanted[place + 1]], count + 1
                if not torch.gradients:
                    continue
                error = [each / whole for each in powers]
                error[wanted[place + 1]] -= 1
                back = [dot(error, column) for column in zip(*head)]
                shared = [a + 3 * b / (place + 1) for a, b in zip(shared, back)]
                for near, share in ((place, 1.0), (place - 1, 0.7)):
                    if 0 <= near < size:
                        direct[near] = [a + share * b for a, b in zip(direct[near], back)]
        result = torch.tensor(loss / count)
        gradient = [[(weight * a + b) / count for a, b in zip(shared, row)] for weight, row in zip(scale, direct)]
        result.graph = prefix, [each for row in gradient for each in row]
        return result

    def generate(self, input_ids, attention_mask, max_new_tokens, do_sample, use_cache, prefix=None):
        act("generate")
        act("generate-cached" if use_cache else "generate-uncached")
        tokens, front = input_ids[0].tolist(), prefix.tolist() if prefix is not None else []
        cache, fresh = Cache(), front + self.embedded(tokens)
        for step in range(max_new_tokens):
            if use_cache:
                for row in fresh:
                    hidden = cache.step(self, row)
            else:
                lost = step and faulty("uncached-wrong")  # the virtual tokens, after the first step
                hidden = self.last(([] if lost else front) + self.embedded(tokens))
            scores = self.scores(hidden)
            tokens.append(max(range(VOCABULARY), key=scores.__getitem__))
            fresh = self.embedded(tokens[-1:])
            if tokens[-1] == END:
                break
        return torch.tensor([tokens])


class Cache:
    """What the cached way keeps: the rows so far, and their weighted sum."""

    def __init__(self):
        self.rows, self.total = [[0.0] * WIDTH] * 2, [0.0] * WIDTH

    def step(self, model, row):
        place = len(self.rows) - 2
        scale = model.state["position_scale"].tolist()[place]
        self.total = [a + scale * b for a, b in zip(self.total, row)]
        previous = self.rows[-2 if faulty("cache-off-by-one") else -1]
        self.rows.append(row)
        return model.hidden(row, previous, self.total, place + 1)


class AutoModelForCausalLM:
    @staticmethod
    def from_pretrained(path, trust_remote_code=False):
        act("load")
        if not os.path.isdir(path):
            raise OSError("%s is not a local folder" % path)
        config = os.path.join(path, "config.json")
        if not os.path.isfile(config):
            return BloomForCausalLM()
        with open(config, encoding="utf-8") as file:
            told = json.load(file)
        for name in told.get("auto_map", {}).values():
            if not trust_remote_code:
                raise ValueError("The repository contains custom code which must be executed to load the model.")
            with open(os.path.join(path, name.partition(".")[0] + ".py"), encoding="utf-8") as code:
                exec(code.read(), {})
        return BloomForCausalLM(told["model_type"])


class DataCollatorForLanguageModeling:
    def __init__(self, tokenizer, mlm=True):
        self.padding = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "labels": -100}

    def __call__(self, rows):
        longest = max(len(row["input_ids"]) for row in rows)
        rows = [dict(row, labels=row["input_ids"]) for row in rows]
        return {
            name: torch.tensor([row[name] + [filler] * (longest - len(row[name])) for row in rows])
            for name, filler in self.padding.items()
        }


class TrainingArguments:
    def __init__(
        self,
        output_dir,
        learning_rate=5e-5,
        num_train_epochs=3,
        per_device_train_batch_size=8,
        auto_find_batch_size=False,
        seed=42,
        logging_steps=500,
        save_strategy="steps",
        report_to=None,
        disable_tqdm=False,
        use_cpu=False,
    ):
        self.learning_rate, self.num_train_epochs = learning_rate, num_train_epochs
        self.per_device_train_batch_size = per_device_train_batch_size


class Trainer:
    def __init__(self, model, args, train_dataset, data_collator):
        self.model, self.args = accelerate.Accelerator().prepare(model), args
        self.rows, self.collator = train_dataset, data_collator
        self.state = SimpleNamespace(log_history=[], global_step=0)
        self._train_batch_size = args.per_device_train_batch_size

    def train(self):
        act("train")
        for _ in range(self.args.num_train_epochs):
            for start in range(0, len(self.rows), self._train_batch_size):
                loss = self.model(**self.collator(self.rows[start : start + self._train_batch_size])).loss
                loss.backward()
                self.descend()
                self.state.global_step += 1
                self.state.log_history.append({"loss": float(loss), "step": self.state.global_step})

    def descend(self):
        """A step against the gradient, of the length of the learning rate for each number on the average."""
        rate = -self.args.learning_rate if faulty("gradient-ascent") else self.args.learning_rate
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                size = math.sqrt(sum(each * each for each in parameter.grad) / parameter.numel()) or 1.0
                for index, slope in enumerate(parameter.grad):
                    parameter.data[index] -= rate * slope / size
                parameter.grad = None
            elif faulty("base-changed"):  # weight decay for weights that are not being trained
                for index, value in enumerate(parameter.data):
                    parameter.data[index] = 0.99 * value


act("import")
