"""The cycle, as one stand-alone script: load, tokenize, train, save, reload, generate, verify.

It runs INSIDE a cell's environment, so it imports nothing of compatcheck, runs on Python 3.8 and later, and on
transformers 4.36 to 5.x with the arguments' old and new names. Usage: `python -I probe.py REQUEST.json`. The request
holds `events_fd` (a file descriptor to write to), `model` (a directory), `texts` (a list of strings), `work` (a
directory to write into) and `scenario` (the fields of compatcheck.domain.Scenario).

It tells what happens as it happens, one JSON object a line, so that a process that dies says where:

    {"event": "began", "probe": 1}
    {"event": "stage-began", "stage": "import"}
    {"event": "stage-ended", "stage": "import", "status": "ok", "seconds": 2.1, "peak_rss_mib": 512.0, "chain": []}
    {"event": "mode", "mode": "cached", "status": "failed", "seconds": 0.1, "chain": [...]}
    {"event": "check", "name": "loss-fell", "passed": true, "measured": 0.4, "limit": 0.01, "detail": "", "mode": null}
    {"event": "imported", "versions": {"torch": "2.6.0+cu124"}}
    {"event": "facts", "facts": {"losses": [6.1, 5.9]}}
    {"event": "done"}

What is checked is that the result is right, not only that nothing raised: releases exist in which generate silently
ignores the prompt (peft#2123) or drifts after the first token (peft#1391).
"""

import ctypes
import faulthandler
import inspect
import json
import os
import sys
import time
import traceback
import zlib

PROBE_VERSION = 1
"""Raise it whenever the probe does or records something else: stored observations of older probes are then rerun."""

ROUNDINGS = 12
"""Results one after the other that a layer stores: two norms, queries and keys, scores, softmax, their sum, the
projection, two residuals, and the three of the perceptron."""
DEVIATIONS = 4
"""Of a random walk of roundings: beyond that lies one in 16,000."""

MESSAGE_CAP = 20000
FRAME_CAP = 60
CHAIN_CAP = 12
IMPORTED = (
    "torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors", "huggingface_hub", "numpy", "datasets",
)  # fmt: skip


class Events:
    """Writes one JSON object a line to a file descriptor, unbuffered."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def send(self, event, **fields):
        fields["event"] = event
        line = (json.dumps(fields, default=str) + "\n").encode("ascii")
        while line:
            line = line[os.write(self.descriptor, line) :]


def die_with_parent():
    """On Linux, ask the kernel to end this process when the runner dies, so that no probe is left behind."""
    if sys.platform.startswith("linux"):
        try:
            ctypes.CDLL(None).prctl(1, 9)
        except (OSError, AttributeError):
            pass


def reset_peak():
    """Start a new measurement of the peak resident memory (Linux; elsewhere the peak is of the whole process)."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak_rss_mib():
    """Highest resident memory since reset_peak, in MiB."""
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return round(int(line.split()[1]) / 1024, 1)
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)


def short_file(path):
    """A traceback's file without the part that differs between machines."""
    path = path.replace("\\", "/")
    for mark in ("/site-packages/", "/dist-packages/"):
        if mark in path:
            return path.rsplit(mark, 1)[1]
    parts = path.split("/")
    for index, part in enumerate(parts):
        if part.startswith("python3") and index and parts[index - 1] == "lib":
            return "/".join(parts[index + 1 :])
    return parts[-1]


def described(error):
    """One exception as plain data."""
    frames = [
        {"file": short_file(frame.filename), "line": frame.lineno or 0, "function": frame.name}
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    if len(frames) > FRAME_CAP:
        frames = frames[:10] + frames[10 - FRAME_CAP :]
    try:
        message = str(error)
    except Exception as broken:
        message = "<the exception's own text raised %s>" % type(broken).__name__
    if len(message) > MESSAGE_CAP:
        message = message[: MESSAGE_CAP // 2] + "\n[... cut ...]\n" + message[-MESSAGE_CAP // 2 :]
    kind = type(error)
    return {"type": kind.__name__, "module": str(kind.__module__), "message": message, "frames": frames}


def chain_of(error):
    """The exception with what it was raised from, the root first."""
    chain, seen = [], set()
    while error is not None and id(error) not in seen and len(chain) < CHAIN_CAP:
        seen.add(id(error))
        chain.append(described(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain[::-1]


def tensor_digest(tensor):
    """A checksum of a tensor's bytes, without NumPy (which a cell's torch may not be able to use)."""
    tensor = tensor.detach().cpu().contiguous()
    size = tensor.numel() * tensor.element_size()
    return zlib.crc32((ctypes.c_char * size).from_address(tensor.data_ptr())) if size else 0


def is_adapter(name):
    return any(part in name for part in ("prompt_encoder", "lora_", "ia3_"))


class Cycle:
    """The stages in order; each is a method named for it, and may leave results for the later ones."""

    def __init__(self, request, events):
        self.events = events
        self.model_path = request["model"]
        self.texts = request["texts"]
        self.adapter_path = os.path.join(request["work"], "adapter")
        self.output_path = os.path.join(request["work"], "trainer")
        self.scenario = request["scenario"]
        self.method = self.scenario.get("method", "prompt-tuning")
        self.untouched = None
        self.tokens = {}
        self.plain = {}
        self.known_logits = {}

    # ---------------------------------------------------------------- the article's cycle

    def do_import(self):
        try:
            import torch

            torch.set_num_threads(self.scenario["threads"])
            import transformers
            from transformers import (  # noqa: F401
                AutoModelForCausalLM,
                AutoTokenizer,
                DataCollatorForLanguageModeling,
                Trainer,
                TrainingArguments,
            )

            import peft
            from peft import (  # noqa: F401
                PeftModel,
                PromptTuningConfig,
                PromptTuningInit,
                TaskType,
                get_peft_model,
            )
        finally:
            self.tell_imported()
        self.torch, self.transformers, self.peft = torch, transformers, peft

    def tell_imported(self):
        versions = {}
        for name in IMPORTED:
            version = getattr(sys.modules.get(name), "__version__", None)
            if version is not None:
                versions[name.replace("_", "-")] = str(version)
        self.events.send("imported", versions=versions)

    def do_load(self):
        self.tokenizer = self.transformers.AutoTokenizer.from_pretrained(self.model_path, **self.trust())
        self.base = self.fresh_base()
        parameters = sum(each.numel() for each in self.base.parameters())
        self.events.send("facts", facts={"parameters": parameters, "model_class": type(self.base).__name__})

    def fresh_base(self):
        model = self.transformers.AutoModelForCausalLM.from_pretrained(self.model_path, **self.trust())
        dtype = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}[self.scenario["dtype"]]
        return model.to(getattr(self.torch, dtype))

    def trust(self):
        """Code that the model brings along is run only where that was asked for; nothing is said of it otherwise."""
        return {"trust_remote_code": True} if self.scenario.get("trust_remote_code") else {}

    def do_tokenize(self):
        encoded = self.tokenizer(self.texts, truncation=True, max_length=self.scenario["max_length"])
        columns = list(encoded.keys())
        self.dataset = [{name: encoded[name][row] for name in columns} for row in range(len(encoded["input_ids"]))]
        self.prompts = [self.tokenizer(prompt)["input_ids"] for prompt in self.scenario["prompts"]]
        lengths = [len(row["input_ids"]) for row in self.dataset]
        self.events.send(
            "facts",
            facts={
                "texts": len(lengths),
                "tokens": sum(lengths),
                "columns": columns,
                "prompt_lengths": [len(prompt) for prompt in self.prompts],
            },
        )

    def do_train(self):
        peft, transformers, scenario = self.peft, self.transformers, self.scenario
        self.torch.manual_seed(scenario["seed"])
        self.tuned = peft.get_peft_model(self.base, self.peft_config())
        self.initial = {
            name: each.detach().clone() for name, each in self.tuned.named_parameters() if each.requires_grad
        }
        self.before = self.digests()
        self.collator = transformers.DataCollatorForLanguageModeling(self.tokenizer, mlm=False)
        trainer = transformers.Trainer(
            model=self.tuned,
            args=transformers.TrainingArguments(**self.training_arguments()),
            train_dataset=self.dataset,
            data_collator=self.collator,
        )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        self.events.send(
            "facts",
            facts={
                "losses": losses,
                "steps": trainer.state.global_step,
                "batch_size": getattr(trainer, "_train_batch_size", None),
                "trainable": sum(each.numel() for each in self.initial.values()),
            },
        )

    def peft_config(self):
        """What is trained. The layers of LoRA and IA3 are those that peft chooses for the model."""
        peft, scenario = self.peft, self.scenario
        settings = {"task_type": peft.TaskType.CAUSAL_LM}
        if self.method == "lora":
            return peft.LoraConfig(**settings)
        if self.method == "ia3":
            return peft.IA3Config(**settings)
        settings["num_virtual_tokens"] = scenario["virtual_tokens"]
        if self.method == "prefix-tuning":
            return peft.PrefixTuningConfig(**settings)
        if self.method == "p-tuning":
            return peft.PromptEncoderConfig(**settings)
        settings["prompt_tuning_init"] = getattr(peft.PromptTuningInit, scenario["init"].upper())
        if scenario["init"] == "text":
            settings["prompt_tuning_init_text"] = scenario["init_text"]
            settings["tokenizer_name_or_path"] = self.model_path
        return peft.PromptTuningConfig(**settings)

    def training_arguments(self):
        scenario = self.scenario
        arguments = {
            "output_dir": self.output_path,
            "learning_rate": scenario["learning_rate"],
            "num_train_epochs": scenario["epochs"],
            "per_device_train_batch_size": scenario["batch_size"],
            "auto_find_batch_size": scenario["auto_find_batch_size"],
            "seed": scenario["seed"],
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": [],
            "disable_tqdm": True,
        }
        if scenario["use_cpu"]:
            known = inspect.signature(self.transformers.TrainingArguments.__init__).parameters
            # transformers 4.34 renamed no_cuda to use_cpu
            arguments["use_cpu" if "use_cpu" in known else "no_cuda"] = True
        return arguments

    def digests(self):
        named = list(self.tuned.named_parameters()) + list(self.tuned.named_buffers())
        return {name: tensor_digest(tensor) for name, tensor in named}

    def do_save(self):
        self.tuned.save_pretrained(self.adapter_path)
        files = {name: os.path.getsize(os.path.join(self.adapter_path, name)) for name in os.listdir(self.adapter_path)}
        self.events.send("facts", facts={"saved": files})

    def do_reload(self):
        self.reloaded = self.peft.PeftModel.from_pretrained(self.fresh_base(), self.adapter_path)
        self.reloaded.eval()

    def do_generate(self):
        """Both ways are tried, each recorded apart; the default one, with the cache, decides."""
        first_error = None
        for mode, use_cache in (("cached", True), ("uncached", False)):
            began = time.perf_counter()
            try:
                self.tokens[mode] = [self.generated(self.reloaded, prompt, use_cache) for prompt in self.prompts]
                chain = []
            except Exception as error:
                chain = chain_of(error)
                if mode == "cached":
                    first_error = error
            self.events.send(
                "mode",
                mode=mode,
                status="failed" if chain else "ok",
                seconds=round(time.perf_counter() - began, 4),
                chain=chain,
            )
        if first_error is not None:
            raise first_error

    def generated(self, model, prompt, use_cache):
        """The tokens that greedy generate adds to `prompt`, up to the end-of-sequence token."""
        torch = self.torch
        with torch.no_grad():
            output = model.generate(
                input_ids=torch.tensor([prompt]),
                attention_mask=torch.tensor([[1] * len(prompt)]),
                max_new_tokens=self.scenario["new_tokens"],
                do_sample=False,
                use_cache=use_cache,
            )
        return self.until_end(output[0].tolist()[len(prompt) :])

    # ---------------------------------------------------------------- is the result right?

    def do_verify(self):
        self.tuned.eval()
        self.check_loss()
        self.check_changes()
        self.check_reload()
        self.check_generation()

    def check(self, name, passed, measured=None, limit=None, detail="", mode=None):
        self.events.send(
            "check", name=name, passed=bool(passed), measured=measured, limit=limit, detail=detail, mode=mode
        )

    def check_loss(self):
        """The loss on the training texts, with the virtual tokens as they began and as they ended."""
        after = self.loss()
        trained = {name: each.detach().clone() for name, each in self.tuned.named_parameters() if name in self.initial}
        self.put(self.initial)
        before = self.loss()
        self.put(trained)
        # a loss that is kept in the dtype cannot be told closer than its epsilon
        limit = max(0.001, self.epsilon) * abs(before)
        self.check("loss-fell", before - after > limit, before - after, limit, "from %.4f to %.4f" % (before, after))

    def loss(self):
        batch = self.collator(self.dataset[: self.scenario["batch_size"]])
        with self.torch.no_grad():
            return float(self.tuned(**batch).loss)

    def put(self, values):
        with self.torch.no_grad():
            for name, parameter in self.tuned.named_parameters():
                if name in values:
                    parameter.copy_(values[name])

    def check_changes(self):
        """Training changed every adapter tensor and nothing else."""
        after = self.digests()
        changed = sorted(name for name in after if after[name] != self.before.get(name))
        adapter = sorted(name for name in after if is_adapter(name))
        base = [name for name in changed if not is_adapter(name)]
        missed = [name for name in adapter if name not in changed]
        self.check(
            "only-prompt-changed",
            bool(adapter) and not base and not missed,
            float(len(base) + len(missed)),
            0.0,
            "changed: %s; not changed though it should have: %s"
            % (", ".join(base) or "none", ", ".join(missed) or "none"),
        )

    def check_reload(self):
        """The reloaded adapter on a fresh base gives the logits that the trained one gives."""
        worst, limit = 0.0, 0.0
        for prompt in self.prompts:
            saved, loaded = self.logits(self.tuned, prompt), self.logits(self.reloaded, prompt)
            worst = max([worst] + [abs(one - other) for one, other in zip(saved, loaded)])
            limit = max(limit, self.tolerance(saved))
        self.check("reload-equals-save", worst <= limit, worst, limit)

    def check_generation(self):
        expected, margins, effect, scale = [], [], 0.0, 0.0
        for prompt in self.prompts:
            tokens, margin, first = self.reference(prompt)
            expected.append(tokens)
            margins.append(margin)
            plain = self.logits(self.fresh, prompt)
            effect = max([effect] + [abs(one - other) for one, other in zip(first, plain)])
            scale = max(scale, self.tolerance(first))
        different = sum(1 for prompt, tokens in zip(self.prompts, expected) if self.plain_tokens(prompt) != tokens)
        least = (10 if self.scenario["dtype"] == "fp32" else 1) * scale
        self.check(
            "prompt-has-effect",
            effect > least and different > 0,
            effect,
            least,
            "%d of %d prompts continue differently than without the adapter" % (different, len(expected)),
        )
        self.events.send("facts", facts={"reference_tokens": expected, "smallest_margin": min(min(m) for m in margins)})
        for mode in ("cached", "uncached"):
            if mode in self.tokens and self.scenario["dtype"] == "fp32":
                self.check_tokens(mode, expected, margins, scale)
            elif mode in self.tokens:
                self.check_tokens_in_half(mode, scale)
        self.tell_base(scale)

    def tell_base(self, tolerance):
        """Whether the base model alone generates rightly with the cache: evidence of whose fault a wrong result is."""
        try:
            right = []
            for prompt in self.prompts:
                got = self.generated(self.fresh, prompt, True)
                if self.scenario["dtype"] == "fp32":
                    right.append(got == self.plain_tokens(prompt))
                else:
                    right.append(self.first_wrong(self.fresh, prompt, got, tolerance) is None)
            self.events.send("facts", facts={"base_generates_rightly": all(right)})
        except Exception as error:
            self.events.send(
                "facts", facts={"base_generates_rightly": False, "base_error": described(error)["message"][:500]}
            )

    def check_tokens(self, mode, expected, margins, tolerance):
        """The tokens of generate are the reference's, up to the first place where the two best tokens tie."""
        wrong, detail = 0, ""
        for number, (got, want, margin) in enumerate(zip(self.tokens[mode], expected, margins)):
            sure = next((place for place, each in enumerate(margin) if each <= tolerance), len(want))
            places = [place for place in range(sure) if got[place : place + 1] != want[place : place + 1]]
            if places or (sure == len(want) and len(got) != len(want)):
                wrong += 1
                first = places[0] if places else len(want)
                detail = detail or "prompt %d, token %d: generate gave %s, the reference %s" % (
                    number, first, got[first : first + 4], want[first : first + 4],
                )  # fmt: skip
        self.check_reference(mode, wrong, detail)

    def check_tokens_in_half(self, mode, tolerance):
        """In half precision the best tokens often lie closer than rounding can tell, and then any of them is right.

        So every token of generate is held against the reference's logits after what generate itself had said before
        it: it must be as good as the best, up to rounding. Nothing is left out of the comparison."""
        wrong, detail = 0, ""
        for number, (prompt, got) in enumerate(zip(self.prompts, self.tokens[mode])):
            place = self.first_wrong(self.reloaded, prompt, got, tolerance)
            if place is not None:
                wrong += 1
                detail = detail or "prompt %d, token %d: generate gave %s, which is worse than the reference's best" % (
                    number, place, got[place : place + 1],
                )  # fmt: skip
        self.check_reference(mode, wrong, detail)

    def first_wrong(self, model, prompt, got, tolerance):
        """The first place at which `got` is not what `model` says after the tokens before; None where there is none."""
        tokens = list(prompt)
        for place, token in enumerate(got):
            logits = self.logits(model, tokens)
            if max(logits) - logits[token] > tolerance:
                return place
            tokens.append(token)
        ended = bool(got) and got[-1] in self.end_tokens()
        return None if ended or len(got) == self.scenario["new_tokens"] else len(got)

    def check_reference(self, mode, wrong, detail):
        if wrong and self.tokens[mode] == [self.plain_tokens(prompt) for prompt in self.prompts]:
            detail += "; it is what the model says without the adapter"
            if mode == "cached":
                self.events.send("facts", facts={"adapter_ignored": True})
        self.check(mode + "-equals-reference", wrong == 0, float(wrong), 0.0, detail, mode)

    def reference(self, prompt):
        """What greedy decoding must give: forward over the whole sequence for each token, no cache, no generate.

        Returns the tokens, the margin between the two best logits at each, and the first logits."""
        tokens, margins, first = list(prompt), [], None
        for _ in range(self.scenario["new_tokens"]):
            logits = self.logits(self.reloaded, tokens)
            first = first or logits
            best = max(range(len(logits)), key=logits.__getitem__)
            second = max(value for index, value in enumerate(logits) if index != best)
            tokens.append(best)
            margins.append(logits[best] - second)
            if best in self.end_tokens():
                break
        return self.until_end(tokens[len(prompt) :]), margins, first

    def logits(self, model, tokens):
        """The logits of the token after `tokens`, as a list of vocabulary-size floats; worked out once in verify."""
        key = (id(model), tuple(tokens))
        if key not in self.known_logits:
            torch = self.torch
            with torch.no_grad():
                output = model(
                    input_ids=torch.tensor([tokens]), attention_mask=torch.tensor([[1] * len(tokens)]), use_cache=False
                )
            self.known_logits[key] = output.logits[0][-1].float().tolist()
        return self.known_logits[key]

    @property
    def fresh(self):
        """The base model without the adapter: the reloaded model's own base, which prompts leave as it is.

        LoRA and IA3 put their layers into it: for them it is a further copy."""
        if self.method not in ("lora", "ia3"):
            return self.reloaded.get_base_model()
        if self.untouched is None:
            self.untouched = self.fresh_base().eval()
        return self.untouched

    def plain_tokens(self, prompt):
        """The greedy continuation of the base model alone, token by token; worked out once for each prompt."""
        known = self.plain.get(tuple(prompt))
        if known is not None:
            return known
        tokens = list(prompt)
        for _ in range(self.scenario["new_tokens"]):
            logits = self.logits(self.fresh, tokens)
            tokens.append(max(range(len(logits)), key=logits.__getitem__))
            if tokens[-1] in self.end_tokens():
                break
        self.plain[tuple(prompt)] = self.until_end(tokens[len(prompt) :])
        return self.plain[tuple(prompt)]

    def end_tokens(self):
        end = self.reloaded.config.eos_token_id if hasattr(self.reloaded, "config") else None
        return end if isinstance(end, (list, tuple)) else [end]

    def until_end(self, tokens):
        for place, token in enumerate(tokens):
            if token in self.end_tokens():
                return tokens[: place + 1]
        return tokens

    def tolerance(self, logits):
        """How far two computations of the same logits may lie apart: rounding, from the dtype's epsilon.

        In half precision rounding is not small beside what is compared, and a bound that always holds would hide
        everything. Roundings are independent and as often up as down, so that they add up like a random walk
        (Higham and Mary, 2019, doi 10.1137/18M1226312): DEVIATIONS times the root of their number, each at most half an
        epsilon. ROUNDINGS of them follow one another in a layer; the sums within a product are kept in float32."""
        scale = max(1.0, max(abs(each) for each in logits))
        if self.scenario["dtype"] == "fp32":
            return 64 * self.epsilon * scale
        layers = getattr(getattr(self.base, "config", None), "num_hidden_layers", 2)
        return DEVIATIONS * (ROUNDINGS * layers + 4) ** 0.5 * self.epsilon / 2 * scale

    @property
    def epsilon(self):
        """The distance from 1 to the next number of the dtype: 23, 7 and 10 bits of mantissa."""
        return {"fp32": 2.0**-23, "bf16": 2.0**-7, "fp16": 2.0**-10}[self.scenario["dtype"]]


STAGES = ("import", "load", "tokenize", "train", "save", "reload", "generate", "verify")


def run_stage(events, name, step):
    """Run one stage and tell how it went. True where it went well."""
    reset_peak()
    events.send("stage-began", stage=name)
    began = time.perf_counter()
    try:
        step()
        chain = []
    except BaseException as error:  # a package that calls sys.exit() fails the stage like any other
        traceback.print_exc()
        chain = chain_of(error)
    events.send(
        "stage-ended",
        stage=name,
        status="failed" if chain else "ok",
        seconds=round(time.perf_counter() - began, 4),
        peak_rss_mib=peak_rss_mib(),
        chain=chain,
    )
    return not chain


def main(arguments):
    with open(arguments[1], encoding="utf-8") as file:
        request = json.load(file)
    faulthandler.enable()
    die_with_parent()
    events = Events(request["events_fd"])
    events.send("began", probe=PROBE_VERSION)
    cycle = Cycle(request, events)
    for name in STAGES:
        went_well = run_stage(events, name, getattr(cycle, "do_" + name))
        # a failed generate still leaves the other mode to verify: it may be a workaround
        if not went_well and not (name == "generate" and cycle.tokens):
            break
    events.send("done")
    # leave without the interpreter's teardown: it is not part of the cycle, and costs a second
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv)
