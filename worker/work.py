"""What a tiling process is given to do."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.run import Plan

Result = TypeVar("Result")

Steps: TypeAlias = Generator[None, None, Result]
"""Work that pauses."""


@dataclass(frozen=True, slots=True)
class PageWork:
    """All that a tiling process needs to know of a page."""

    message: Message
    plan: Plan

    @property
    def layout(self) -> Layout:
        return self.plan.layout

    @property
    def service(self) -> str:
        """Return the key prefix of the page's image service."""
        return self.layout.service(*self.message.place)

    @property
    def info(self) -> str:
        """Return the key of the page's `info.json`."""
        return self.layout.info(*self.message.place)

    @property
    def receipt(self) -> str:
        """Return the key of the page's receipt."""
        return self.layout.receipt(*self.message.place)
