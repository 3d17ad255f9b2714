"""What all groups of settings share: frozen, typed, closed to unknown keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from ..errors import InputError
from .values import Text


class Block(BaseModel):
    """A group of settings; given one value (`loss=hinge`, `ema=0.99`), it starts afresh with its first field set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exclusive: ClassVar[tuple[str, ...]] = ()  # setting one of these on the command line sets the others to none

    @classmethod
    def expand(cls, value: Text) -> dict[str, Any]:
        """The block meant by a lone value."""
        return {next(iter(cls.model_fields)): value}


class Switch(Block):
    """A block without settings, which is there or not: `key=` puts it there."""

    key: ClassVar[str]

    @classmethod
    def expand(cls, value: Text) -> dict[str, Any]:
        """Nothing but an empty value."""
        if value:
            raise InputError(f"{cls.key}: expected no value, as it has no settings, got {str(value)!r}: drop it")
        return {}


class Parts(Block):
    """Parts by name, each there or not (None); they act in the order in which the fields stand here."""

    def items(self) -> Iterator[tuple[str, Block]]:
        """Name and settings of the parts that are there."""
        for name in type(self).model_fields:
            block = getattr(self, name)
            if block is not None:
                yield name, block

    @classmethod
    def expand(cls, value: Text) -> dict[str, Any]:
        """`penalty=r1,r2` means these two and no other, at their defaults; `plain` means no part at all."""
        return {name.strip(): {} for name in value.split(",") if name.strip() not in ("", "plain")}

    @model_serializer(mode="wrap")
    def _present(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}
