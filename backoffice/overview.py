"""The numbers of the first page as a file."""

import csv
import io

from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header

from backoffice.dashboard import dashboard
from core import times
from core.formulas import escaped
from core.times import format_office_time, local


def overview_file(request: HttpRequest) -> HttpResponse:
    """Send what the first page shows this user for ``?period=``, as CSV that Excel opens."""
    page, now = dashboard(request, {}), local(times.now())
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["项目", "数值", "说明"])
    table.writerow(
        ["时间", f"{format_office_time(page['period'].begins)} 至 {format_office_time(now)}", page["period"].label]
    )
    table.writerows([tile.label, tile.value, tile.hint] for tile in page["tiles"])
    for panel in page["panels"]:
        table.writerows([panel.title, bar.value, escaped(bar.label)] for bar in panel.bars or [])
        table.writerows([panel.title, escaped(fact.value), fact.label] for fact in panel.facts)
    name = f"首页-{page['period'].label}-{now:%Y%m%d}.csv"
    response = HttpResponse(out.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    return response
