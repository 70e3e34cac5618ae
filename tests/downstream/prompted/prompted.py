"""Prompt tuning in three functions: what a small project does with peft."""

from __future__ import annotations


def tuned(model, tokens=8):
    """`model` with a trainable prompt."""
    from peft import PromptTuningConfig, TaskType, get_peft_model

    return get_peft_model(model, PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=tokens))


def continued(model, ids, new_tokens=4):
    """What the model says after `ids`."""
    return model.generate(input_ids=ids, max_new_tokens=new_tokens, do_sample=False)
