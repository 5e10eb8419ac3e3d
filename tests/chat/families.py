"""Small templates in the manner of each family, written for these tests, and a vocabulary of bytes to read them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel

from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.chat.tool_format import ToolFormat
from codex_windows_ai.engine.sampling.grammar import GrammarCompiler
from codex_windows_ai.engine.tokenizer import Tokenizer


@dataclass(frozen=True)
class Family:
    """A template, the control tokens of its vocabulary, and those that end an answer."""

    format: str
    template: str
    tokens: tuple[str, ...]
    ends: tuple[str, ...]
    """The last of the vocabulary, and what the template ends an answer by."""
    as_text: bool = False
    """The vocabulary has none of them: they are text."""


def joined(*lines: str) -> str:
    return "".join(lines)


_TOOLS = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson ~ '\n' }}{% endfor %}<|im_end|>\n{% endif %}"
)
_CHATML_END = "<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
_CHATML_RESULT = (
    "{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n"
    "</tool_response><|im_end|>\n{% else %}<|im_start|>{{ m.role ~ '\n' }}"
)
HERMES = joined(
    _TOOLS,
    _CHATML_RESULT,
    "{{ m.content }}{% for c in m.tool_calls or [] %}{% if m.content or not loop.first %}{{ '\n' }}{% endif %}",
    '{{ \'<tool_call>\n{"name": "\' ~ c.function.name ~ \'", "arguments": \' }}',
    "{{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}",
    "{{ '}\n</tool_call>' }}{% endfor %}",
    _CHATML_END,
)
QWEN_XML = joined(
    _TOOLS,
    _CHATML_RESULT,
    "{{ m.content | trim }}{% for c in m.tool_calls or [] %}",
    "{% if not loop.first %}{{ '\n' }}{% elif m.content | trim %}{{ '\n\n' }}{% endif %}",
    "{{ '<tool_call>\n<function=' ~ c.function.name ~ '>\n' }}{% for k, v in c.function.arguments | items %}",
    "{{ '<parameter=' ~ k ~ '>\n' }}{{ v | tojson if v is mapping or (v is sequence and v is not string) else v }}",
    "{{ '\n</parameter>\n' }}{% endfor %}{{ '</function>\n</tool_call>' }}{% endfor %}",
    _CHATML_END,
)
LLAMA = joined(
    "<|begin_of_text|>{% for m in messages %}{% if m.role == 'user' and tools and loop.first %}",
    "<|start_header_id|>user<|end_header_id|>\n\n{% for t in tools %}{{ t | tojson }}{% endfor %}",
    "{{ m.content }}<|eot_id|>",
    "{% elif 'tool_calls' in m %}{% if m.tool_calls | length != 1 %}{{ raise_exception('one call') }}{% endif %}",
    '<|start_header_id|>assistant<|end_header_id|>\n\n{{ \'{"name": "\' ~ m.tool_calls[0].function.name }}',
    "{{ '\", \"parameters\": ' ~ m.tool_calls[0].function.arguments | tojson ~ '}' }}<|eot_id|>",
    "{% elif m.role == 'tool' %}<|start_header_id|>ipython<|end_header_id|>\n\n{{ m.content | tojson }}<|eot_id|>",
    "{% else %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>",
    "{% endif %}{% endfor %}",
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
)
_MISTRAL = joined(
    "<s>{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}{% for m in messages %}",
    "{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]{% elif m.role == 'tool' %}",
    "[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]{% elif m.role == 'system' %}[INST]{{ m.content }}[/INST]",
    "{% else %}CALLS</s>{% endif %}{% endfor %}",
)
MISTRAL = _MISTRAL.replace(
    "CALLS",
    "{{ m.content }}{% for c in m.tool_calls or [] %}[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments if "
    "c.function.arguments is string else c.function.arguments | tojson }}{% endfor %}",
)
MISTRAL_WITH_ID = _MISTRAL.replace(
    "CALLS",
    "{% if m.tool_calls %}{% for c in m.tool_calls %}[TOOL_CALLS]{{ c.function.name }}[CALL_ID]{{ c.id }}[ARGS]"
    "{{ c.function.arguments | tojson }}{% endfor %}{% else %}{{ m.content }}{% endif %}",
)
MISTRAL_LIST = _MISTRAL.replace(
    "CALLS",
    '{% if m.tool_calls %}[TOOL_CALLS][{% for c in m.tool_calls %}{{ (c.function | tojson)[:-1] }}, "id": "{{ c.id }}"}'
    "{{ ', ' if not loop.last }}{% endfor %}]{% else %}{{ m.content }}{% endif %}",
)
GEMMA3 = joined(
    "<bos>{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else 'user' }}\n",
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
)
PHI4 = joined(
    "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message %}",
    "<|system|>{{ message['content'] }}<|tool|>{{ message['tools'] }}<|/tool|><|end|>",
    "{% else %}{{ '<|' ~ message['role'] ~ '|>' ~ message['content'] }}<|end|>{% endif %}{% endfor %}",
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
)
PHI4_EACH = joined(
    "{% for m in messages %}{% if m.role == 'system' %}<|system|>{{ m.content }}{% for t in tools or [] %}<|tool|>",
    "{{ t.function | tojson }}<|/tool|>{% endfor %}<|end|>{% elif m.role == 'tool' %}<|tool_response|>",
    "{{ m.content }}<|end|>",
    "{% else %}{{ '<|' ~ m.role ~ '|>' ~ m.content }}{% for c in m.tool_calls or [] %}<|tool_call|>",
    "{{ c.function | tojson }}<|/tool_call|>{% endfor %}<|end|>{% endif %}{% endfor %}",
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
)
GEMMA4 = joined(
    "{% macro value(v) %}{% if v is string %}{{ '<|\"|>' ~ v ~ '<|\"|>' }}{% elif v is boolean %}{{ v | tojson }}",
    "{% elif v is mapping %}{{ '{' }}{{ fields(v) }}{{ '}' }}{% elif v is sequence %}[{% for i in v %}{{ value(i) }}",
    "{{ ',' if not loop.last }}{% endfor %}]{% else %}{{ v }}{% endif %}{% endmacro %}",
    "{% macro fields(o) %}{% for k, v in o | dictsort %}{{ k ~ ':' ~ value(v) }}{{ ',' if not loop.last }}{% endfor %}",
    "{% endmacro %}<bos>{% for t in tools or [] %}<|tool>{{ t.function.name }}<tool|>{% endfor %}",
    "{% for m in messages %}{% if m.role == 'tool' %}",
    "{{ '<|tool_response>response:' ~ m.name ~ '{value:' ~ value(m.content) }}",
    "{{ '}<tool_response|>' }}{% else %}",
    "{% if loop.index0 == 0 or messages[loop.index0 - 1].role != 'tool' %}",
    "<|turn>{{ ('model' if m.role == 'assistant' else m.role) ~ '\n' }}{% endif %}",
    "{{ m.content }}{% for c in m.tool_calls or [] %}",
    "{{ '<|tool_call>call:' ~ c.function.name ~ '{' }}{{ fields(c.function.arguments) }}",
    "{{ '}<tool_call|>' }}{% endfor %}",
    "{% if not m.tool_calls %}<turn|>\n{% endif %}{% endif %}{% endfor %}",
    "{% if add_generation_prompt and messages[-1].role != 'tool' %}<|turn>model\n{% endif %}",
)
GLM = joined(
    "[gMASK]<sop>{% if tools %}<|system|>{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}",
    "{% for m in messages %}{% if m.role == 'tool' %}<|observation|><tool_response>{{ m.content }}</tool_response>",
    "{% else %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}",
    "{% for k, v in c.function.arguments | items %}<arg_key>{{ k }}</arg_key><arg_value>",
    "{{ v if v is string else v | tojson }}</arg_value>{% endfor %}</tool_call>{% endfor %}{% endif %}",
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
)
GLM_LINES = (
    GLM.replace("<tool_call>{{ c.function.name }}", "{{ '\n<tool_call>' ~ c.function.name ~ '\n' }}")
    .replace("</arg_key><arg_value>", "</arg_key>{{ '\n' }}<arg_value>")
    .replace("</arg_value>", "{{ '</arg_value>\n' }}")
)
HARMONY = joined(
    "<|start|>system<|message|>Channels: analysis, commentary, final.<|end|>{% if tools %}<|start|>",
    "developer<|message|>",
    "{% for t in tools %}{{ t | tojson }}{% endfor %}<|end|>{% endif %}{% for m in messages %}",
    "{% if m.role == 'assistant' and m.tool_calls %}{% set c = m.tool_calls[0].function %}",
    "{% if m.thinking or m.content %}<|start|>assistant<|channel|>analysis<|message|>",
    "{{ m.thinking or m.content }}<|end|>{% endif %}",
    "<|start|>assistant to=functions.{{ c.name }}<|channel|>commentary json<|message|>",
    "{{ c.arguments | tojson }}<|call|>",
    "{% elif m.role == 'assistant' %}<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>",
    "{% elif m.role == 'tool' %}<|start|>functions.{{ m.name }} to=assistant<|channel|>commentary<|message|>",
    "{{ m.content | tojson }}<|end|>{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}",
    "{% endfor %}",
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}",
)

_CHATML = ("<|im_start|>", "<|im_end|>")
_INST = ("<s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
_PHI = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|/tool|>", "<|tool_call|>", "<|/tool_call|>")
_TURNS = ("<bos>", "<|turn>", "<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", '<|"|>', "<tool_response|>")
_GLM_TAGS = ("<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
_GLM = ("[gMASK]", "<sop>", "<|system|>", "<|assistant|>", *_GLM_TAGS, "<tool_response>", "</tool_response>")
_MESSAGES = ("<|start|>", "<|end|>", "<|channel|>", "<|message|>", "<|constrain|>")
FAMILIES = {
    "hermes": Family("hermes", HERMES, _CHATML, ("<|im_end|>",)),
    "qwen-xml": Family("qwen-xml", QWEN_XML, _CHATML, ("<|im_end|>",)),
    "llama": Family(
        "llama",
        LLAMA,
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>"),
        ("<|eot_id|>",),
    ),
    "mistral": Family("mistral", MISTRAL, (*_INST, "[TOOL_RESULTS]", "[/TOOL_RESULTS]"), ("</s>",)),
    "mistral, ids": Family("mistral", MISTRAL_WITH_ID, (*_INST, "[TOOL_RESULTS]", "[/TOOL_RESULTS]"), ("</s>",)),
    "mistral, list": Family("mistral", MISTRAL_LIST, (*_INST, "[TOOL_RESULTS]", "[/TOOL_RESULTS]"), ("</s>",)),
    "gemma3": Family("gemma3", GEMMA3, ("<bos>", "<start_of_turn>"), ("<end_of_turn>",)),
    "phi4": Family("phi4", PHI4, (*_PHI, "<|tool_response|>"), ("<|end|>",)),
    "phi4, each": Family("phi4", PHI4_EACH, (*_PHI, "<|tool_response|>"), ("<|end|>",)),
    "glm": Family("glm", GLM, _GLM, ("<|user|>", "<|observation|>")),
    "glm, lines": Family("glm", GLM_LINES, _GLM, ("<|user|>", "<|observation|>")),
    "gemma4": Family("gemma4", GEMMA4, _TURNS, ("<turn|>", "<|tool_response>")),
    "harmony": Family("harmony", HARMONY, _MESSAGES, ("<|return|>", "<|call|>")),
}
AS_TEXT = {f"{name}, as text": replace(one, as_text=True) for name, one in FAMILIES.items()}
"""The same with a vocabulary that has none of their marks."""


@dataclass(frozen=True)
class Spoken:
    """A family's format on its small vocabulary."""

    form: ToolFormat
    ends: frozenset[int]
    closing: tuple[str, ...]
    compiler: GrammarCompiler

    def text(self, tokens: list[int], errors: str = "strict") -> str:
        return b"".join(self.form.tokenizer.bytes_of(token) for token in tokens).decode(errors=errors)


def speak(family: Family, folder: Path) -> Spoken:
    """Writes the family's files into a folder, and loads them as a model's."""
    ends = ("<eos>",) if family.as_text else family.ends
    tokens = ends if family.as_text else (*(one for one in family.tokens if one not in ends), *ends)
    vocabulary = {character: n for n, character in enumerate(sorted(ByteLevel.alphabet()))}
    added = [{"id": 256 + n, "content": token, "special": True, **_PLAIN} for n, token in enumerate(tokens)]
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False, "trim_offsets": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False, "trim_offsets": True},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    (folder / "chat_template.jinja").write_text(family.template, encoding="utf-8")
    reader = Tokenizer(folder / "tokenizer.json")
    form = chat_format(folder, reader)
    assert isinstance(form, ToolFormat)
    last = tuple(range(256 + len(tokens) - len(ends), 256 + len(tokens)))
    return Spoken(form, frozenset(last), family.ends, GrammarCompiler(reader, 256 + len(tokens), last))


_PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
