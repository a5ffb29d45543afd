"""The few instructions that numba has no word for.

The inner loops work on addresses, as C would: numba counts the references of its arrays (an atomic instruction for each
argument) and checks each index for its sign, which took twice as long. Whoever calls them keeps the arrays alive.
Vectors of 64 bytes are what the code generator is told; it makes of them what the machine has.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types  # type: ignore[import-untyped]
from numba.extending import intrinsic  # type: ignore[import-untyped]

from curation.matching.forms import BLANKS, MARKS

WORD, HALF, BYTE, BIT = (ir.IntType(bits) for bits in (64, 32, 8, 1))
BLOCK, LANES = ir.VectorType(BYTE, 64), ir.VectorType(HALF, 16)
NUMBER, BITS = types.int64, types.uint64


def instruction(result: Any, *arguments: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function for compiled code, from one that emits its instructions: (builder, one or two values) -> value."""

    def decorate(emit: Callable[..., Any]) -> Callable[..., Any]:
        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            return emit(builder, *values)

        def one(_typing: Any, _value: Any) -> Any:
            return result(*arguments), generate

        def two(_typing: Any, _value: Any, _other: Any) -> Any:
            return result(*arguments), generate

        made: Callable[..., Any] = intrinsic(one if len(arguments) == 1 else two)
        return made

    return decorate


def _load(builder: Any, address: Any, kind: Any) -> Any:
    value = builder.load(builder.inttoptr(address, kind.as_pointer()))
    value.align = 1
    return value


def _store(builder: Any, value: Any, address: Any) -> Any:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer())).align = 1
    return WORD(0)


def _splat(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _equals_any(builder: Any, block: Any, characters: str) -> Any:
    found = builder.icmp_unsigned("==", block, _splat(BLOCK, ord(characters[0])))
    for character in characters[1:]:
        found = builder.or_(found, builder.icmp_unsigned("==", block, _splat(BLOCK, ord(character))))
    return found


@instruction(NUMBER, BITS)
def signed(_builder: Any, number: Any) -> Any:
    """The same 64 bits as a signed number: numba makes a fraction of a sum of both kinds."""
    return number


@instruction(BITS, NUMBER)
def peek64(builder: Any, address: Any) -> Any:
    """The eight bytes at an address as a number."""
    return _load(builder, address, WORD)


@instruction(BITS, NUMBER)
def peek32(builder: Any, address: Any) -> Any:
    """The four bytes at an address as a number."""
    return builder.zext(_load(builder, address, HALF), WORD)


@instruction(NUMBER, NUMBER)
def peek8(builder: Any, address: Any) -> Any:
    """The byte at an address."""
    return builder.zext(_load(builder, address, BYTE), WORD)


@instruction(NUMBER, NUMBER, NUMBER)
def poke32(builder: Any, address: Any, value: Any) -> Any:
    """Write the low four bytes of a number."""
    return _store(builder, builder.trunc(value, HALF), address)


@instruction(NUMBER, NUMBER, BITS)
def poke64(builder: Any, address: Any, value: Any) -> Any:
    """Write a number."""
    return _store(builder, value, address)


@instruction(NUMBER, BITS)
def lowest_bit(builder: Any, mask: Any) -> Any:
    """The place of the lowest bit that is set in a mask that is not 0."""
    return builder.cttz(mask, BIT(1))


@instruction(BITS, NUMBER)
def spaces(builder: Any, address: Any) -> Any:
    """Which of the 64 bytes at an address are spaces, one bit each, the first byte's the lowest."""
    return builder.bitcast(_equals_any(builder, _load(builder, address, BLOCK), " "), WORD)


@instruction(BITS, NUMBER, NUMBER)
def copy_block(builder: Any, source: Any, target: Any) -> Any:
    """Copy 64 bytes, blanks as spaces; which of them are marks, one bit each."""
    block = _load(builder, source, BLOCK)
    _store(builder, builder.select(_equals_any(builder, block, BLANKS), _splat(BLOCK, ord(" ")), block), target)
    return builder.bitcast(_equals_any(builder, block, MARKS), WORD)


@instruction(NUMBER, NUMBER, NUMBER)
def smaller(builder: Any, address: Any, limit: Any) -> Any:
    """How many of the 16 numbers (int32) at an address are smaller than `limit`."""
    undefined = ir.Constant(LANES, ir.Undefined)
    single = builder.insert_element(undefined, builder.trunc(limit, HALF), HALF(0))
    limits = builder.shuffle_vector(single, undefined, _splat(LANES, 0))
    less = builder.icmp_signed("<", _load(builder, address, LANES), limits)
    return builder.zext(builder.ctpop(builder.bitcast(less, ir.IntType(16))), WORD)
