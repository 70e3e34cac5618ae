"""Prompt tuning of a tiny BLOOM with random weights: train, save, load, generate. Needs no download and no data."""

import tempfile

import torch
from peft import PeftModel, PromptTuningConfig, TaskType, get_peft_model
from transformers import BloomConfig, BloomForCausalLM, Trainer, TrainingArguments

torch.manual_seed(20)
base = BloomForCausalLM(BloomConfig(vocab_size=128, hidden_size=32, n_layer=2, n_head=4))
rows = [{"input_ids": ids, "labels": ids} for ids in torch.randint(3, 128, (16, 24)).tolist()]
prompt = torch.randint(3, 128, (1, 12))
with tempfile.TemporaryDirectory() as folder:
    base.save_pretrained(folder + "/base")
    tuned = get_peft_model(base, PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=8))
    arguments = TrainingArguments(
        folder, num_train_epochs=1, per_device_train_batch_size=4, use_cpu=True, save_strategy="no", report_to=[]
    )
    Trainer(model=tuned, args=arguments, train_dataset=rows).train()
    tuned.save_pretrained(folder + "/adapter")
    loaded = PeftModel.from_pretrained(BloomForCausalLM.from_pretrained(folder + "/base"), folder + "/adapter").eval()
    with torch.no_grad():
        print(loaded.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=8))
