"""Which packages' sources are read, where the modules of each lie, and what of them is a library at all."""

from __future__ import annotations

STACK = (
    "transformers", "peft", "accelerate", "trl", "datasets", "huggingface_hub", "tokenizers", "bitsandbytes",
    "safetensors", "torch", "deepspeed", "sentence_transformers", "evaluate", "optimum", "optimum_quanto",
    "diffusers", "vllm",
)  # fmt: skip
"""The stack, and what is imported beside it in the same script."""
_BESIDE = (
    "auto_gptq", "autoawq", "gptqmodel", "hqq", "torchao", "compressed_tensors", "flash_attn", "xformers",
    "liger_kernel", "pytorch_lightning", "setfit", "adapters", "unsloth_zoo", "unsloth", "llamafactory", "ms_swift",
    "axolotl", "fschat", "simpletransformers", "litgpt", "lm_eval", "langchain_huggingface",
    "llama_index_llms_huggingface", "sglang", "torchvision", "torchaudio", "timm", "open_clip_torch", "coqui_tts",
    "faster_whisper", "whisperx", "pyannote_audio", "modelscope", "flagembedding", "verl", "xtuner",
    "lightning_fabric", "torchmetrics", "torchtext", "torchtune", "llmcompressor", "exllamav2", "ctranslate2",
    "onnxruntime", "gguf", "kernels", "mteb", "petals", "autotrain_advanced", "lighteval", "mergekit", "auto_round",
    "lmdeploy", "optimum_intel",
)  # fmt: skip
"""Its tools, and programs that are run by themselves."""
BUILT_ON = (
    "openrlhf", "qwen_vl_utils", "mmengine", "colossalai", "megatron_core", "mamba_ssm", "causal_conv1d",
    "nemo_toolkit", "speechbrain", "openai_whisper", "langchain_core", "langchain_community", "llama_index_core",
    "llama_index_embeddings_huggingface", "gradio", "ray", "sentencepiece", "tiktoken", "pyarrow", "xinference",
    "llama_cpp_python", "text_generation", "outlines", "gliner", "bertopic", "flair", "transformer_lens",
    "ultralytics",
)  # fmt: skip
"""Libraries and programs built on it. Only the exceptions among their classes are kept: research code and programs have
their own `BaseDataset`, `LatentDiffusion` or `ActivationCache`."""
PACKAGES = (*STACK, *_BESIDE, *BUILT_ON)
"""Where two of them raise the same words, the one that stands first here is meant."""
TOOLS = frozenset((*_BESIDE, *BUILT_ON))
"""Those beside the stack, for many another program speaks of the same things in the same few words."""
WHOLE = frozenset((
    "transformers", "peft", "accelerate", "trl", "datasets", "huggingface_hub", "tokenizers", "bitsandbytes",
    "safetensors", "deepspeed", "sentence_transformers", "pytorch_lightning", "torchvision", "torchaudio",
))  # fmt: skip
"""Of the others only the messages and the classes are kept: the rest would be as large as all of the stack's."""

MODELS_READ = frozenset((
    "albert", "bart", "bert", "blip", "blip_2", "bloom", "clip", "codegen", "deberta_v2", "deepseek_v3", "distilbert",
    "electra", "falcon", "gemma", "gemma2", "gemma3", "glm", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_oss",
    "gptj", "idefics2", "idefics3", "llama", "llama4", "llava", "llava_next", "longformer", "m2m_100", "mamba", "mbart",
    "mistral", "mixtral", "mllama", "mpt", "mt5", "olmo", "olmo2", "opt", "paligemma", "pegasus", "phi", "phi3",
    "qwen2", "qwen2_5_vl", "qwen2_moe", "qwen2_vl", "qwen3", "qwen3_moe", "roberta", "segformer", "siglip", "smolvlm",
    "stablelm", "starcoder2", "t5", "vision_encoder_decoder", "vit", "wav2vec2", "whisper", "xlm_roberta",
))  # fmt: skip
"""The models of transformers that are run and trained most, and those that much other code copies or derives from: of
these it is read what their classes take and have, of the hundreds of others only what they are called and raise."""

_FOLDERS = {
    "autoawq": "awq", "fschat": "fastchat", "ms_swift": "swift", "optimum_quanto": "optimum",
    "llama_index_llms_huggingface": "llama_index", "open_clip_torch": "open_clip", "coqui_tts": "TTS",
    "pyannote_audio": "pyannote/audio", "flagembedding": "FlagEmbedding", "autotrain_advanced": "autotrain",
    "optimum_intel": "optimum/intel", "megatron_core": "megatron/core", "nemo_toolkit": "nemo",
    "openai_whisper": "whisper", "llama_index_core": "llama_index", "llama_index_embeddings_huggingface": "llama_index",
    "llama_cpp_python": "llama_cpp",
}  # fmt: skip
"""Where a package's modules lie, if not in a folder of its own name."""
ALSO_IN = {"pytorch_lightning": "lightning/pytorch", "lightning_fabric": "lightning/fabric"}
"""Where another package brings the same modules."""

_PROJECTS = {
    "sklearn": "scikit-learn", "cv2": "opencv-python", "PIL": "pillow", "yaml": "pyyaml", "skimage": "scikit-image",
    "faiss": "faiss-cpu", "imwatermark": "invisible-watermark", "cpuinfo": "py-cpuinfo", "hydra": "hydra-core",
    "fla": "flash-linear-attention", "pynvml": "nvidia-ml-py", "flashinfer": "flashinfer-python",
    "lycoris": "lycoris-lora", "llmtuner": "llamafactory", "clip": "git+https://github.com/openai/CLIP.git",
    "apex": "git+https://github.com/NVIDIA/apex.git", "eetq": "git+https://github.com/NetEase-FuXi/EETQ.git",
}  # fmt: skip
"""What the index calls the modules that are imported beside the stack under another name; what it has under these names
is, where it has any, another project."""

_NO_LIBRARY = frozenset(("tests", "test_utils", "commands", "cli", "scripts", "benchmark", "benchmarks"))
_PARTS = {
    "langchain_community": frozenset(("chat_models", "cross_encoders", "embeddings", "llms")),
    "ray": frozenset(("_private", "exceptions.py", "llm", "serve", "train")),
    "torch": frozenset((
        "distributed", "cuda", "utils", "optim", "amp", "multiprocessing", "accelerator", "mps", "xpu", "package",
        "hub.py", "serialization.py", "storage.py", "_utils.py",
    ))
}  # fmt: skip
"""Of torch what speaks of files, devices, processes and the loop of a training: what torch.nn and its functions refuse
is a slip in a script as often as not. Of langchain's integrations those that run models, of ray what trains and serves
them."""
_LEFT_OUT = {
    "axolotl": frozenset(("integrations",)), "colossalai": frozenset(("auto_parallel", "legacy")),
    "liger_kernel": frozenset(("ops",)), "megatron": frozenset(("core/export", "core/inference", "core/resharding")),
    "modelscope": frozenset(("models", "pipelines", "trainers")),
    "nemo": frozenset((
        "agents", "collections/asr/inference", "collections/audio", "collections/avlm", "collections/diffusion",
        "collections/llm", "collections/multimodal", "collections/nlp/data", "collections/speechlm",
        "collections/speechlm2", "collections/tts", "collections/vision", "collections/vlm", "export",
    )),
    "ray": frozenset(("_private/runtime_env",)),
    "sglang": frozenset((
        "kernels", "multimodal_gen", "srt/distributed/device_communicators", "srt/hardware_backend",
        "srt/layers/attention", "srt/layers/layer_boundary", "srt/layers/moe", "srt/mem_cache/pool_host",
        "srt/mem_cache/storage", "srt/model_loader/expert_pack", "srt/models", "test",
    )),
    "swift": frozenset(("aigc", "megatron", "ray")), "torchao": frozenset(("_models", "experimental", "prototype")),
    "torch": frozenset((
        "distributed/_local_tensor", "distributed/_spmd", "distributed/_symmetric_memory", "distributed/_tools",
        "distributed/_transport", "distributed/pipelining", "distributed/rpc", "utils/_debug_mode", "utils/_sympy",
    )),
    "transformer_lens": frozenset(("model_bridge", "tools")), "unsloth_zoo": frozenset(("_vendored", "mlx")),
    "vllm": frozenset((
        "distributed/ec_transfer", "distributed/kv_transfer", "model_executor/models", "models", "third_party",
        "v1/kv_offload", "vllm_flash_attn",
    )),
    "xformers": frozenset(("_flash_attn", "third_party")),
    "xinference": frozenset(("model/llm/xavier", "router", "thirdparty")),
}  # fmt: skip
"""By folder what only speaks of other frameworks, of experiments, of a single model or of a kernel's inner shapes."""


def folder_of(package: str) -> str:
    """Where a package's modules lie."""
    return _FOLDERS.get(package, package)


def project_of(module: str) -> str:
    """What is to be installed for a module of the stack or its companions: `awq` comes with autoawq, `torch._C` with
    torch, `sklearn` with scikit-learn. Any other name is taken for the project's own."""
    top = module.partition(".")[0].strip("_").removesuffix("_rust")
    if top in PACKAGES:
        return top
    return _PROJECTS.get(top) or next((package for package, folder in _FOLDERS.items() if folder == top), top)


def is_no_library(parts: tuple[str, ...]) -> bool:
    """Tests, command lines, conversion scripts, stand-ins for what is not installed, and what modules are generated
    from: not imported where the library is used. And the parts of a package that are left out on purpose."""
    wanted, unwanted = _PARTS.get(parts[0]), _LEFT_OUT.get(parts[0], frozenset())
    return (
        (wanted is not None and parts[1] not in wanted)
        or not unwanted.isdisjoint("/".join(parts[1:depth]) for depth in (2, 3, 4))
        or not _NO_LIBRARY.isdisjoint(parts)
        or parts[-1].startswith(("dummy_", "convert_", "modular_", "testing_"))
    )
