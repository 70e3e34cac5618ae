"""The cycle as a person would write it, with no measuring and no checking: what compatcheck's cells are compared with.

Usage: bare_cycle.py MODEL TEXTS.jsonl FOLDER
"""

import json
import sys

import torch
from peft import PeftModel, PromptTuningConfig, PromptTuningInit, TaskType, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
)

model_path, texts_path, folder = sys.argv[1:]
torch.set_num_threads(1)
torch.manual_seed(20)
with open(texts_path, encoding="utf-8") as file:
    texts = [json.loads(line)["text"] for line in file][:16]
tokenizer = AutoTokenizer.from_pretrained(model_path)
model = AutoModelForCausalLM.from_pretrained(model_path)
encoded = tokenizer(texts, truncation=True, max_length=48)
rows = [{name: encoded[name][row] for name in encoded.keys()} for row in range(len(texts))]
config = PromptTuningConfig(
    task_type=TaskType.CAUSAL_LM, num_virtual_tokens=8, prompt_tuning_init=PromptTuningInit.RANDOM
)
tuned = get_peft_model(model, config)
Trainer(
    model=tuned,
    args=TrainingArguments(
        output_dir=folder + "/trainer", learning_rate=0.1, num_train_epochs=3, per_device_train_batch_size=4,
        use_cpu=True, save_strategy="no", report_to=[], disable_tqdm=True, logging_steps=1,
    ),
    train_dataset=rows,
    data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
).train()  # fmt: skip
tuned.save_pretrained(folder + "/adapter")
loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model_path), folder + "/adapter").eval()
inputs = tokenizer("I want you to act as a patient teacher", return_tensors="pt")
with torch.no_grad():
    output = loaded.generate(**inputs, max_new_tokens=12, do_sample=False)
print(tokenizer.decode(output[0]))
