"""Versions as logs tell them: what is really installed counts for more than what was asked for or written."""

from __future__ import annotations

import time

import pytest

from compatcheck.explanation import explain

STACK = {"torch": "2.6.0", "transformers": "4.44.2", "peft": "0.10.0"}

FORMS = {
    "pip freeze": "torch==2.6.0\ntransformers==4.44.2\npeft==0.10.0\n",
    "pip list": (
        "Package            Version\n------------------ -----------\npeft               0.10.0\n"
        "torch              2.6.0+cu124\ntransformers       4.44.2\n"
    ),
    "pip list, indented": "  torch                     2.6.0\n  transformers              4.44.2\n  peft  0.10.0\n",
    "conda list": (
        "# packages in environment at /opt/conda:\n#\n# Name             Version           Build  Channel\n"
        "peft                      0.10.0                   pypi_0    pypi\n"
        "pytorch                   2.6.0           py3.10_cuda12.4    pytorch\n"
        "transformers              4.44.2                   pypi_0    pypi\n"
    ),
    "uv pip install": " + peft==0.10.0\n + torch==2.6.0\n + transformers==4.44.2\n",
    "pip install": "Successfully installed peft-0.10.0 tokenizers-0.19.1 torch-2.6.0 transformers-4.44.2\n",
    "pip install again": (
        "Requirement already satisfied: torch in /opt/x (2.6.0)\n"
        "Requirement already satisfied: peft==0.10.0 in /opt/x (0.10.0)\n"
        "Requirement already satisfied: transformers<5,>=4.40 in /opt/x (4.44.2)\n"
    ),
    "pip show": (
        "Name: torch\nVersion: 2.6.0\nSummary: Tensors\n---\nName: transformers\nVersion: 4.44.2\n"
        "---\nName: peft\nVersion: 0.10.0\n"
    ),
    "transformers env": (
        "- `transformers` version: 4.44.2\n- Platform: Linux-5.15.0-x86_64-with-glibc2.35\n- Python version: 3.11.9\n"
        "- Huggingface_hub version: 0.24.6\n- PyTorch version (GPU?): 2.6.0+cu124 (True)\n- PEFT version: 0.10.0\n"
    ),
    "collect_env": "PyTorch version: 2.6.0+cu124\n[pip3] transformers==4.44.2\n[pip3] peft==0.10.0\n",
    "words": "I use torch 2.6.0, transformers 4.44.2 and peft 0.10.0.\n",
    "words with a v": "torch v2.6.0 / transformers v4.44.2 / peft=0.10.0\n",
    "a table of an issue": "torch: 2.6.0\ntransformers: 4.44.2\npeft: 0.10.0\n",
    "a table in Markdown": "| torch | 2.6.0 |\n| transformers | 4.44.2 |\n| peft | 0.10.0 |\n",
    "wheels": (
        "Downloading torch-2.6.0-cp311-cp311-manylinux1_x86_64.whl (766 MB)\n"
        "  Using cached transformers-4.44.2-py3-none-any.whl\n  Using cached peft-0.10.0-py3-none-any.whl\n"
    ),
    "metadata's folders": (
        "/opt/x/site-packages/torch-2.6.0.dist-info\n/opt/x/transformers-4.44.2.dist-info/METADATA\n"
        "C:\\x\\site-packages\\peft-0.10.0.dist-info\n"
    ),
    "pip's complaint": (
        "trl 0.9 requires transformers<4.42, but you have transformers 4.44.2 which is incompatible.\n"
        "peft 0.10.0 requires torch<2, but you have torch 2.6.0 which is incompatible.\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_form(form: str) -> None:
    found = explain(FORMS[form]).versions
    assert {name: found[name].split("+")[0] for name in STACK if name in found} == STACK


@pytest.mark.parametrize("form", ["pip freeze", "pip list", "transformers env", "pip show"])
def test_a_form_within_a_ci_log(form: str) -> None:
    text = "".join(f"2026-01-02T03:04:05.1234567Z {line}\r\n" for line in FORMS[form].splitlines())
    found = explain(text).versions
    assert {name: found[name].split("+")[0] for name in STACK if name in found} == STACK


def test_what_is_installed_counts_for_more_than_what_is_said() -> None:
    text = "- `transformers` version: 4.44.2\nthis worked with transformers 4.41.0\ntransformers==4.40.0\n"
    assert explain(text).versions["transformers"] == "4.44.2"
    assert explain("transformers==4.40.0\ntransformers==4.44.2\n").versions["transformers"] == "4.44.2"


@pytest.mark.parametrize(
    "text",
    [
        "step 3 loss 2.6.0\n",
        "GPU 0: NVIDIA H100 80GB, driver 550.54.15\n",
        "listening on 127.0.0.1:8080\n",
        "2026-01-02 03:04:05.678 epoch 1.5\n",
        "torch.nn.functional 3 of 4\n",
        "ValueError: Using torch.compile requires PyTorch 2.0 or higher.\n",
        "this needs torch 2.1 and transformers 4.40.0+\n",
    ],
)
def test_what_is_no_version_is_none(text: str) -> None:
    assert explain(text).versions == {}


def test_the_python_of_a_path() -> None:
    assert explain('  File "/opt/x/lib/python3.12/site-packages/a.py", line 1, in f\n').versions == {"python": "3.12"}


def test_many_packages_cost_little() -> None:
    text = "".join(f"package-{number}==1.{number}\n" for number in range(20_000))
    began = time.process_time()
    assert len(explain(text).versions) <= 600
    assert time.process_time() - began < 10
