"""The chat agent's tools: a calculator, text statistics and a lookup in `knowledge.md`."""

import ast
import math
import operator
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from langchain_core.tools import BaseTool, tool

Number = int | float

LONGEST_EXPRESSION = 200
LARGEST_BITS = 4096
BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
FUNCTIONS: dict[str, Callable[[Number], Number]] = {"sqrt": math.sqrt, "abs": abs, "round": round}
CONSTANTS = {"pi": math.pi, "e": math.e}
WORD = re.compile(r"[^\W_][\w'\u2019-]*")
COMMON_WORDS = "a an and are as at do does for how in is it of on or that the to what when where who why"
COMMON = frozenset(COMMON_WORDS.split())


@tool
def calculator(expression: str) -> str:
    """Work out an arithmetic expression, such as `(17 + 4) * 2 ** 3`; knows sqrt, abs, round, pi and e."""
    if len(expression) > LONGEST_EXPRESSION:
        raise ValueError(f"the expression is longer than {LONGEST_EXPRESSION} characters")
    try:
        value = _evaluate(ast.parse(expression.strip(), mode="eval").body)
    except SyntaxError:
        raise ValueError(f"{expression!r} is not an arithmetic expression") from None
    except ArithmeticError as error:
        raise ValueError(str(error)) from None
    return f"{value:.12g}" if isinstance(value, float) else str(value)


@tool
def text_statistics(text: str) -> dict[str, int]:
    """Count the characters, words, different words and sentences of a text."""
    words = [word.lower() for word in WORD.findall(text)]
    return {
        "characters": len(text),
        "words": len(words),
        "different_words": len(set(words)),
        "sentences": len(re.findall(r"[^.!?]*\w[^.!?]*", text)),
    }


@tool
def lookup(question: str) -> str:
    """Find what the bundled notes say about a term of durable agents, such as thread, run or checkpoint."""
    asked = _stems(question)
    title, text = max(knowledge().items(), key=lambda entry: _overlap(asked, *entry))
    if not _overlap(asked, title, text):
        raise ValueError("the notes say nothing about that")
    return f"{title}: {text}"


TOOLS: list[BaseTool] = [calculator, text_statistics, lookup]


@cache
def knowledge() -> dict[str, str]:
    """The bundled notes, by title."""
    notes = (Path(__file__).parent / "knowledge.md").read_text(encoding="utf-8").split("\n## ")[1:]
    entries = (note.split("\n", 1) for note in notes)
    return {title.strip(): " ".join(text.split()) for title, text in entries}


def _overlap(asked: frozenset[str], title: str, text: str) -> int:
    return 3 * len(asked & _stems(title)) + len(asked & _stems(text))


def _stems(text: str) -> frozenset[str]:
    """Lower-case words without a plural s, and without words that say nothing."""
    words = (word.lower() for word in WORD.findall(text))
    return frozenset(word.removesuffix("s") for word in words if word not in COMMON)


def _evaluate(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = _evaluate(operand)
            return -value if isinstance(sign, ast.USub) else value
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _bounded(_power(_evaluate(left), _evaluate(right)))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in BINARY:
            return _bounded(BINARY[type(sign)](_evaluate(left), _evaluate(right)))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return _bounded(FUNCTIONS[name](_evaluate(argument)))
    raise ValueError(f"{ast.unparse(node)!r} is not allowed in an expression")


def _power(base: Number, exponent: Number) -> Number:
    """Raise to a power, refusing results that would take long to compute rather than trying."""
    if base < 0 and exponent != int(exponent):
        raise ValueError("a root of a negative number is not a real number")
    if isinstance(base, int) and abs(exponent) * base.bit_length() > LARGEST_BITS:
        raise ValueError("the result is too large")
    result: Number = base**exponent
    return result


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and value.bit_length() > LARGEST_BITS:
        raise ValueError("the result is too large")
    return value
