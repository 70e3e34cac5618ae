from trl import SFTConfig, SFTTrainer  # noqa: F401
