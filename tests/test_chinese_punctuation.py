"""What staff read is set as Chinese is: full-width punctuation, and no blank where there is none.

The API's texts are a contract and stay as they are; they are not looked at here.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = [
    *("*/admin.py", "*/admin/*.py", "*/forms.py", "accounts/entrance/*.py", "backoffice/*.py", "config/front.py"),
    *("permissions/matrix.py", "permissions/office.py", "permissions/preview.py", "permissions/row_choices.py"),
    *("*/models.py", "*/models/*.py", "*/management/commands/*.py", "moving/[!v]*.py", "students/class_sheet.py"),
    *("students/transfer/*.py", "accounts/services/class_accounts.py", "permissions/access_report.py"),
    *(f"shop/services/{name}.py" for name in ("order_attention", "order_move", "order_refund_part", "order_views")),
    *(f"payments/services/{name}.py" for name in ("bills", "differences", "notices", "refund_stuck", "unrecorded")),
]
# Texts of the API in these files; the last three are notes of orders.
WIRE = {
    "已经存在该类目,请不要重复添加",
    "action: 必须是0、1、2、3之一",
    "迁入时尚未付款,已关闭",
    "旧系统中的退货,退款情况见微信商户平台",
    "旧系统中已付款但订单已取消或关闭,款项见微信商户平台",
}
TEMPLATES = ["*.html", *(f"{app}/*.html" for app in ("admin", "backoffice", "entrance", "permissions", "shop"))]
TEMPLATES += ["front/[bh]*.html", "students/*.html", "unfold/**/*.html", "weather/*.html"]
HAN = "\u3400-\u9fff"
WRONG = re.compile(
    rf"[{HAN}\u201d\u300d\uff09][,;:?!]"  # half-width after a Chinese character
    rf"|[,;:] ?[{HAN}\u201c\u300c]"  # or before one
    rf"|\ue000[?!](?=$|[{HAN}])"
    rf"|[,;:]\ue000 ?[{HAN}]"
    rf"|\((?=[{HAN}])|(?<=[{HAN}])\("
    rf"|[\uff0c\uff1b\uff1a\uff1f\uff01\uff08] [{HAN}]"  # a blank beside full-width punctuation
)
VALUE = "\ue000"  # stands for a value that is filled in


def strings_of(path: Path) -> Iterator[str]:
    """Yield the strings of a module, without docstrings."""
    tree = ast.parse(path.read_text())
    docs = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner.update(node.values)
            yield "".join(part.value if isinstance(part, ast.Constant) else VALUE for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and {node}.isdisjoint(docs | inner):
            yield re.sub(r"</?[a-z][^>]*>", "", node.value)


def text_of(path: Path) -> Iterator[str]:
    """Yield the lines of a template: what it shows, and its attributes without the marks around them."""
    text = re.sub(r"\{#.*?#\}|<(script|style|code)\b.*?</\1>", "", path.read_text(), flags=re.S)
    text = re.sub(r"\{\{.*?\}\}", VALUE, re.sub(r"\{%.*?%\}", "", text))
    yield from re.sub(r"</?[a-z][^<>]*>", "", text).splitlines()
    yield from re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', text)


def faults(texts: Iterator[str]) -> list[str]:
    return [text.strip() for text in texts if WRONG.search(text) and text not in WIRE]


@pytest.mark.parametrize("text", ["先选,再按", "共{}件,再见", "已付(元)", "状态: 已付", "好?", "3 天;之后"])
def test_the_check_finds_a_fault(text):
    assert faults(iter([text])) == [text]


def test_texts_in_python():
    files = {path for pattern in PYTHON for path in ROOT.glob(pattern)}
    assert len(files) > 90

    found = {str(path.relative_to(ROOT)): faults(strings_of(path)) for path in sorted(files)}

    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_texts_in_templates():
    files = {path for pattern in TEMPLATES for path in (ROOT / "templates").glob(pattern)}
    assert len(files) > 30

    found = {str(path.relative_to(ROOT)): faults(text_of(path)) for path in sorted(files)}

    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_texts_of_the_theme_and_of_django():
    words = re.findall(
        r'^msgstr(?:\[\d\])? ((?:".*"\n)+)', (ROOT / "locale/zh_Hans/LC_MESSAGES/django.po").read_text(), flags=re.M
    )
    assert len(words) > 150

    # What is filled in may be a Chinese name.
    texts = (re.sub(r'"\n"|^"|"$|%\(\w+\)s', lambda found: VALUE if "%" in found[0] else "", one) for one in words)

    assert [text for text in texts if WRONG.search(text) or re.search(rf"{VALUE}[,:?!]", text)] == []


def test_the_documents_in_chinese():
    files = [path for pattern in ("*.md", "docs/*.md", "docs/staff/*.md") for path in ROOT.glob(pattern)]
    texts = {
        path: re.sub(r"^```.*?^```|`[^`]*`", VALUE, path.read_text(), flags=re.S | re.M).replace("**", "")
        for path in files
    }
    wrong_before_code = re.compile(rf"[0-9A-Za-z][,;]{VALUE}")
    chinese = {path: text for path, text in texts.items() if len(re.findall(f"[{HAN}]", text)) > len(text) / 4}
    assert len(chinese) > 15

    found = {
        str(path.relative_to(ROOT)): faults(iter(text.splitlines())) + wrong_before_code.findall(text)
        for path, text in chinese.items()
    }

    assert {path: wrong for path, wrong in found.items() if wrong} == {}
