# ruff: noqa: RUF001  # characters that look alike are the point
"""Varied strings for tokenizers, code, prose, scripts, marks, emoji, numbers, white space."""

from __future__ import annotations

import random
from pathlib import Path

_REPOSITORY = Path(__file__).parents[3]
_FILES = ("README.md", "README.ja.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "tests/models/synthetic.py")
"""Prose and code of this repository, so that some of the texts change with it."""

_PROSE = (
    "The quick brown fox can't jump; it's WE'LL and they'Ve and I'D and y'all'd've.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ÄÖÜ ẞ",
    "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia. ¿Qué? ¡Año!",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΆΈΉ ς σ Σ",
    "いろはにほへと ちりぬるを。カタカナ、漢字、ﾊﾝｶｸ。",
    "我能吞下玻璃而不伤身体。「你好」，世界！繁體中文",
    "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.",
    "صِف خَلقَ خَودِ كَمِثلِ الشَمسِ إِذ بَزَغَت ١٢٣٤٥",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה שָׁלוֹם",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश १२३४",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓",
    "Chuyện tình Việt Nam: tiếng Việt có dấu, phở, đường.",
    "বাংলা ভাষা தமிழ் తెలుగు ಕನ್ನಡ മലയാളം ગુજરાતી ਪੰਜਾਬੀ ଓଡ଼ିଆ සිංහල",
    "ខ្មែរ ລາວ မြန်မာ བོད་ཡིག ქართული Հայերեն አማርኛ ᏣᎳᎩ ⵜⴰⵎⴰⵣⵉⵖⵜ",
)
_CODE = (
    "def f(x: int) -> str:\n    return f'{x!r:>8}'  # done\n",
    "for (int i = 0; i < n; ++i) {\r\n\ta[i] ^= b[i] << 3;\r\n}\r\n",
    "SELECT * FROM t WHERE a='it''s' AND b>=1e-5;",
    '{"key": [1, 2.5, -3e10, null, true], "κλειδί": "\\u00e9"}',
    "https://example.org/a/b?c=d&e=%20f#g user@example.com C:\\Users\\x\\y.txt",
    '#include <stdio.h>\nint main(void){printf("%d\\n",0x1F);return 0;}',
    "camelCaseWords HTTPServer XMLHttpRequest snake_case SCREAMING_CASE iPhone McDonald's",
    '<div class="a"><h1>Title</h1><br/></div><!-- c --> &amp; <table><tr><td>x</td></tr></table>',
    "\t\tif (!ok) {\n\t\t\treturn;\n\t\t}\n\n\n\treturn 0;",
    "$ git log --oneline | head -n5 && echo $? >/dev/null 2>&1",
)
_ODD = (
    "e\u0301 a\u0308\u0323 \u0301x n\u0303o u\u031b\u0301 \u0915\u093c \u1100\u1161\u11a8 \uac01",
    "ﬁ ﬀ Å Ω Ⅳ ½ ² ³ ㎏ ℌ ｆｕｌｌ ＷＩＤＴＨ １２３",
    "👍🏽 👨‍👩‍👧‍👦 🇩🇪🇯🇵 ❤️ ☺︎ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣ 😀😀😀",
    "a\u00a0b\u2003c\u3000d\u200be\u200dd\u2028f\u2029g\u0085h\x0bi\x0cj\ufeffk",
    "٣٤٥ ৪৫৬ 七八九 ⅷ ①②③ 𝟘𝟙𝟚 ௧௨ 12345678 1,234.56 0x7fff 1e10 3.14159",
    "I'ſ 'ſ it'ſ 'Ll 'rE 'K 'K \u2019s don\u2019t 'tis ''s '",
    "ǅ ǈ ᾈ İ ı ß ẞ ſ ŉ ǰ Dž",
    "▁ ▁▁ a▁b ▁x ▁\u2581 Ġ Ċ ĠĠ Ã© <0x0A> <0xE2> <unk> [PAD5]",
    "\x00 \x01\x02 \x1b[0m \x7f \x80\x9f \ufffe \uffff \U0010ffff \ue000 \U000e0001",
    "𠀀 𐍈 𒀀 𓀀 🜁 𝒳 𝕬 \U0001f9ff \U00020000\U0002a6df",
    "....... ----- ===== ##### ***** ~~~~ ______ ((())) [[]] {{}} !!!??? ,,,;;;",
    "aaaaaaaaaaaaaaaa hahahahahaha nananana abababababa xyxyxyxyx ......a......",
)
_BLANKS = (
    " ",
    "  ",
    "   ",
    " " * 7,
    " " * 16,
    " " * 33,
    "\n",
    "\n\n",
    "\n" * 5,
    "\t",
    "\t\t\t",
    "\r\n",
    "\r\n\r\n",
    " \n",
    "\n ",
)
MARKERS = (
    "<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|eot_id|>",
    "<start_of_turn>", "<end_of_turn>", "<|channel|>", "<|return|>", "[INST]", "[/INST]", "<|user|>", "<think>",
    "<tool_call>", "<|fim_pad|>", "<unused5>", "<0x41>", "[TOOL_CALLS]", "<|turn>", "<turn|>", "<mask>", "[multimodal]",
)  # fmt: skip


def varied_texts(count: int = 6000, *, markers: tuple[str, ...] = ()) -> list[str]:
    """That many strings; `markers` go into some of them (special tokens, which other strings do not hold)."""
    chance = random.Random(20261201)  # the same texts each time, no secret
    lines = [
        line for name in _FILES for line in (_REPOSITORY / name).read_text(encoding="utf-8").splitlines(keepends=True)
    ]
    whole = [*_PROSE, *_CODE, *_ODD, *_BLANKS, "", "a", " a", "a ", "  a", "\na", "a\n"]
    makers = (_prose, _code_lines, _mixture, _characters, _numbers, _blanks)
    texts = list(whole)
    while len(texts) < count:
        text = chance.choice(makers)(chance, lines)
        if markers and chance.random() < 0.5:
            place = chance.randint(0, len(text))
            text = text[:place] + chance.choice(markers) + text[place:]
        texts.append(text)
    return texts[:count]


def _prose(chance: random.Random, _: list[str]) -> str:
    words = " ".join(chance.choices(_PROSE, k=2)).split(" ")
    start = chance.randrange(len(words))
    return " ".join(words[start : start + chance.randint(1, 12)])


def _code_lines(chance: random.Random, lines: list[str]) -> str:
    start = chance.randrange(len(lines))
    text = "".join(lines[start : start + chance.randint(1, 6)])
    return text.replace("\n", "\r\n") if chance.random() < 0.2 else text


def _mixture(chance: random.Random, _: list[str]) -> str:
    parts = [
        part[(start := chance.randrange(len(part))) : start + chance.randint(1, 12)]
        for part in chance.choices([*_PROSE, *_CODE, *_ODD], k=chance.randint(2, 6))
    ]
    return chance.choice(["", "", *_BLANKS]).join(parts)


def _characters(chance: random.Random, _: list[str]) -> str:
    """Characters of any kind: half of them out of one small block."""
    blocks = ((0, 0x250), (0x300, 0x370), (0x370, 0x600), (0x900, 0xE00), (0x1E00, 0x2C00), (0x3000, 0x3100))
    blocks += ((0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xF900, 0x10000), (0x1F300, 0x1FAFF), (0x10000, 0x11000))
    first, last = chance.choice(blocks)
    return "".join(chr(chance.randrange(first, last)) for _ in range(chance.randint(1, 12)))


def _numbers(chance: random.Random, _: list[str]) -> str:
    digits = chance.choice(["0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "¹²³½Ⅳ①"])
    parts = ["".join(chance.choices(digits, k=chance.randint(1, 9))) for _ in range(chance.randint(1, 4))]
    return chance.choice([" ", ",", ".", "-", "e", "x", "\n"]).join(parts)


def _blanks(chance: random.Random, _: list[str]) -> str:
    pieces = chance.choices([*_BLANKS, *_BLANKS, "x", "foo", "(", "é", "1", "'s", "।"], k=chance.randint(2, 8))
    return "".join(pieces)
