"""Answers that browsers save as files: `<name>.csv` or `<name>.jsonl`."""

from collections.abc import Iterable, Mapping, Sequence

from django.http import HttpResponse, StreamingHttpResponse

from omamori.fleet.tables import FORMS, file_lines

Rows = Iterable[Mapping[str, object]]


def download(name: str, form: str, columns: Sequence[str], rows: Rows) -> StreamingHttpResponse:
    """Rows without end, streamed."""
    lines = file_lines(form, columns, rows)
    return StreamingHttpResponse(lines, content_type=FORMS[form], headers=_saved(name, form))


def spreadsheet(name: str, columns: Sequence[str], rows: Rows) -> HttpResponse:
    """Few rows, as CSV."""
    text = "".join(file_lines("csv", columns, rows))
    return HttpResponse(text, content_type=FORMS["csv"], headers=_saved(name, "csv"))


def _saved(name: str, form: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
