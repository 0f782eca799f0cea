"""Pages of listings: `limit` and `offset`, both bounded; the answer has `items` and the `count` of all."""

from typing import Any

from django.db.models import QuerySet
from ninja import Field, Schema
from ninja.pagination import PaginationBase


class Pages(PaginationBase):
    """Every listing's pagination. Who wants more than a million rows takes the export."""

    class Input(Schema):
        """Query parameters."""

        limit: int = Field(100, ge=1, le=500)
        offset: int = Field(0, ge=0, le=1_000_000)

    class Output(Schema):
        """A page."""

        items: list[Any]
        count: int

    items_attribute = "items"

    def paginate_queryset(self, queryset: QuerySet[Any], pagination: Input, **_: object) -> dict[str, Any]:  # type: ignore[override] # ninja's is untyped
        """The page and how many there are in all."""
        last = pagination.offset + pagination.limit
        return {"items": queryset[pagination.offset : last], "count": queryset.count()}
