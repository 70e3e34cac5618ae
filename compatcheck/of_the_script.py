"""What a script made itself and called as the stack calls its own: whose code failed, its or the stack's. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .domain import Raised
from .logplace import in_script, place_of
from .signatures import Signature
from .source_packages import PACKAGES, folder_of
from .sources import shipped_sources

_CALLERS = re.compile(r"(?:.*/)?(?:transformers|peft|trl|accelerate|diffusers|deepspeed|unsloth|unsloth_zoo|vllm)/")
"""Libraries that call methods which a script puts into their classes, or that its own classes inherit."""
_PLAIN_FUNCTION = re.compile(
    r"(?:load|get|build|create|make|run|train|save|read|write|process|setup|init|prepare|compute|test|eval|evaluate|parse"
    r"|convert|generate|set|update|predict|encode|decode|tokenize|preprocess|postprocess|forward|download|export|split)_"
    r"(?:models?|data|datasets?|tokenizers?|configs?|batch|args|metrics?|images?|audio|video|text|loss|state|weights|file"
    r"|checkpoint|samples?|prompts?|features?|embeddings?|logits|params|parser|optimizer|scheduler|pipeline|loader|output)"
)
"""Names of functions that any program may choose."""
_IMPORTED_AS = frozenset(folder_of(name).partition("/")[0] for name in PACKAGES)
"""What the packages are imported as."""
_PLAIN_CLASS = re.compile(
    r"(?!(?:LoraConfig|LoraModel|CrossEncoder|LoRARequest|EngineArgs|LayerNorm)$|EncoderDecoder|TextNet)"
    r"(?:Model|Config|Configuration|Transformer|Block|Layer|Attention|Multi|Head|Headed|Self|Cross|Encoder|Decoder|Linear"
    r"|Lo[Rr][Aa]|Quant|Norm|Embedding|Embeddings|Position|Positional|Encoding|Feed|Forward|MLP|FFN|Mo[Ee]|Expert|Experts"
    r"|Gate|Residual|Conv|Loader|Processor|Manager|Handler|Agent|Tool|Message|Chat|Engine|Runner|Worker|Server|Client"
    r"|Request|Response|Result|State|Sampler|Generator|Discriminator|Args|Parser|Logger|Timer|Task|Job|Base|Text|Image"
    r"|Audio|Video|Backbone|Classifier|Projector|Adapter|Prompt|Template|Document|Embedder|Retriever|Index|Reader|Writer"
    r"|Store|Causal|Input|Example|Examples|Features|Metric|Metrics|Loss|Evaluator|Node|Item|Record|Session|User|Settings"
    r"|Net|Network|Unit|Cell|Policy|Env|Cache|LRU|TTL|Memory|Queue|Buffer|Replay|Tree|Graph|Table|List|Dict|Event|Error"
    r"|Global|Local|Simple|Basic|Custom|Default|Early|Stopping|Res|Down|Up|Double|Info|Status|Stats|Registry|Factory"
    r"|Builder|Context|Monitor|Tracker|Plugin|Hook|File|Stream|Group|Role|Score|Action|Command)+"
)
"""Names of classes that any program may choose, put together of such words."""


def is_slip(raised: Raised, around: Sequence[Raised]) -> bool:
    """Whether a script's own code was the last to call. Where the exception's frames do not tell who did, those of the
    chain that it is a link of do."""
    return place_of(raised.frames) is None and any(in_script(each.frames) for each in (raised, *around))


def is_of_the_script(signature: Signature, found: re.Match[str], raised: Raised, around: Sequence[Raised]) -> bool:
    """Whether a class that bears a name of the stack's is the script's own: its code was the last to call, and any
    program may choose that name; or what is missed is asked of `self`, and no library has called the method."""
    groups = found.groupdict()
    owner = groups.get("class")
    if not owner or not (signature.known_class or signature.fallback) or place_of(raised.frames):
        return False
    name = groups.get("name") or ""
    if signature.known_class and _is_anybodys(owner):
        asked = name or groups.get("keyword") or ""
        return not (shipped_sources().member(owner, asked) or shipped_sources().keyword(owner, asked))
    if not is_slip(raised, around):
        return False
    of_itself = bool(name) and bool(re.search(rf"\bself\.{name}\b(?!\s*=[^=])", raised.code))
    return of_itself and not any(_CALLERS.match(frame.file) for each in (raised, *around) for frame in each.frames)


def _is_anybodys(name: str) -> bool:
    """Whether a class's name is put together of nothing but words that every program has: ModelConfig, LoraLayer."""
    return bool(_PLAIN_CLASS.fullmatch(name))


def may_be_of_the_script(function: str, raised: Raised, around: Sequence[Raised]) -> bool:
    """Whether a script was the last to call a function of a name that it may have chosen itself, `load_model`, and the
    line does not say whose it is, `whisper.load_model(...)`."""
    if not _PLAIN_FUNCTION.fullmatch(function) or not is_slip(raised, around):
        return False
    said = re.search(rf"\b(\w+)\.{function}\(", raised.code)
    return not (said and said[1] in _IMPORTED_AS)
