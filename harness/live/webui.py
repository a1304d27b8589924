"""What we add to Locust's web UI: tabs with their downloads, a line that says where the run is, and the reports.

The tabs are Locust's own `extended_tabs`: tables in the page's template arguments, filled by `extended_stats` in its
answers to /stats/requests. Locust stops asking when a run stops, so the verdict and the links are shown by a small
script of our own (webui.js), which the page loads beside Locust's.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template_string, request, send_from_directory
from locust.web import WebUI

from analysis.model import LOCUST_REPORT_HTML, REPORT_HTML, RUN_JSON, Run
from common.yaml_file import ConfigError
from harness import clock
from harness.live.counts import Live, answers, percent

HERE = Path(__file__).parent
PREFIX = "/proof"
REPORTS = {REPORT_HTML: "Report", LOCUST_REPORT_HTML: "Locust's report"}  # what is served of a run folder
MAX_RUNS = 200  # listed
NOT_DELIVERED = "known when CloudWatch has delivered"
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
# The pages hold texts that came from servers. They are escaped; should one not be, it has nowhere to go.
_NOTHING_FROM_OUTSIDE = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Raises ConfigError. It takes the chosen User classes, if any, the number of users, and the whole form.
CheckStart = Callable[[Sequence[str], int, Mapping[str, str]], None]
Cells = Sequence[str | int]


@dataclass(frozen=True)
class _Tab:
    """A table, shown as a tab and downloaded as CSV."""

    title: str
    columns: dict[str, str]  # key → heading
    rows: Callable[[Live], Iterable[Cells]]
    instead: str = ""  # what the tab says while there are no rows

    @property
    def key(self) -> str:
        return self.title.lower()

    def structure(self) -> dict[str, Any]:
        columns = [{"key": key, "title": heading} for key, heading in self.columns.items()]
        return {"key": self.key, "structure": columns}

    def data(self, live: Live | None) -> dict[str, Any]:
        rows: list[Cells] = list(self.rows(live)) if live else []
        if not rows and self.instead:
            rows = [[self.instead, *[""] * (len(self.columns) - 1)]]
        return {"key": self.key, "data": [dict(zip(self.columns, row, strict=True)) for row in rows]}

    def csv(self, live: Live | None) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns.values())
        writer.writerows(self.rows(live) if live else ())
        return text.getvalue()


def _patterns(live: Live) -> Iterable[Cells]:
    for row in live.patterns():
        yield (
            row.pattern, row.sent, row.answered, row.refused_by_gateway, row.refused_by_bedrock, row.failed,
            "—" if row.by_fallback is None else percent(row.by_fallback, row.answered),
            "; ".join(map(str, row.claims)),
        )  # fmt: skip


def _deployments(live: Live) -> Iterable[Cells]:
    for row in live.deployments():
        share = percent(row.answered, row.of)
        yield (
            row.pattern,
            row.deployment or "not reported",
            row.model,
            row.answered,
            share,
            f"{row.mean_ms / 1000:.3f} s",
        )


def _regions(live: Live) -> Iterable[Cells]:
    for row in live.regions or ():
        share = percent(row.invocations, row.of)
        yield row.pattern or "(no client heard of it)", row.account_id, row.region, row.invocations, share


TABS = (
    _Tab(
        "Patterns",
        {
            "pattern": "Pattern", "sent": "Sent", "answered": "Answered", "gateway": "Refused by the gateway",
            "bedrock": "Refused by Bedrock", "failed": "Failed", "fallback": "Answered by a fallback",
            "claims": "Claims",
        },
        _patterns,
    ),
    _Tab(
        "Deployments",
        {
            "pattern": "Pattern", "deployment": "Served by", "model": "Model", "answered": "Answered",
            "share": "Share of the pattern", "time": "Average time",
        },
        _deployments,
    ),
    _Tab(
        "Regions",
        {
            "pattern": "Pattern", "account": "Account", "region": "Region", "invocations": "Invocations",
            "share": "Share",
        },
        _regions,
        NOT_DELIVERED,
    ),
)  # fmt: skip


def extend(web_ui: WebUI, runs: Path, current: Callable[[], Live | None], check_start: CheckStart) -> None:
    """Adds all of it, before the web UI starts. `current` is the newest run."""
    app = web_ui.app
    assert app is not None
    web_ui.template_args |= {
        "extended_tabs": [{"key": tab.key, "title": tab.title} for tab in TABS],
        "extended_tables": [tab.structure() for tab in TABS],
        "extended_csv_files": [
            *({"href": f".{PREFIX}/{tab.key}.csv", "title": f"Download {tab.key} CSV"} for tab in TABS),
            {"href": f".{PREFIX}/runs/", "title": "Reports of all runs"},
        ],
    }
    app.register_blueprint(_routes(web_ui, runs, current), url_prefix=f"{_base(web_ui)}{PREFIX}")

    @app.before_request
    def refuse_what_cannot_run() -> Response | None:
        """Locust would start it, and the run would fail."""
        if request.endpoint != "locust.swarm":
            return None
        form = request.form
        try:
            users = int(form.get("user_count", ""))
        except ValueError:
            return None  # Locust's own message
        try:
            check_start(form.getlist("user_classes"), users, form)
        except ConfigError as error:
            return jsonify({"success": False, "message": str(error), "host": web_ui.environment.host})
        return None

    @app.after_request
    def add_ours(response: Response) -> Response:
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            script = f'<script src=".{PREFIX}/webui.js" defer></script></body>'
            response.set_data(response.get_data(as_text=True).replace("</body>", script))
        elif request.endpoint == "locust.request_stats" and response.is_json:
            live = current()
            tables = {"extended_stats": [tab.data(live) for tab in TABS]}
            response.set_data(json.dumps(response.get_json() | tables))
        return response


def _base(web_ui: WebUI) -> str:
    options = web_ui.environment.parsed_options
    return (options and options.web_base_path) or ""


def _routes(web_ui: WebUI, runs: Path, current: Callable[[], Live | None]) -> Blueprint:
    routes = Blueprint("proof", __name__)
    guarded = web_ui.auth_required_if_enabled

    for tab in TABS:
        routes.add_url_rule(f"/{tab.key}.csv", tab.key, guarded(_download(tab, current)))

    @routes.route("/now")
    @guarded
    def now() -> Response:
        """Where the newest run is, for the line that our script writes."""
        live = current()
        if live is None:
            return jsonify(None)
        return jsonify(
            run=live.run.id,
            phase=live.phase.value,
            starts_in_s=max(0, math.ceil((live.starts_at or 0) - clock.now())),
            sent=live.sent,
            answers=[answer.value for answer in live.answers],
            reports=_reports(live.folder),
        )

    @routes.route("/webui.js")
    def script() -> Response:
        return send_from_directory(HERE, "webui.js")

    _add_runs(routes, runs, guarded)

    @routes.after_request
    def harden(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _NOTHING_FROM_OUTSIDE
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return routes


def _add_runs(routes: Blueprint, runs: Path, guarded: Callable[[Any], Any]) -> None:
    """The list of all runs, and their reports."""

    @routes.route("/runs/")
    @guarded
    def all_runs() -> str:
        return render_template_string((HERE / "webui_runs.html").read_text(encoding="utf-8"), runs=_list(runs))

    @routes.route("/runs/<run_id>/<name>")
    @guarded
    def report(run_id: str, name: str) -> Response:
        """One of the two reports of a run folder, and nothing else of this machine."""
        if not _RUN_ID.fullmatch(run_id) or name not in REPORTS:
            abort(404)
        folder = (runs / run_id).resolve()
        if folder.parent != runs.resolve():  # a link that leads elsewhere
            abort(404)
        return send_from_directory(folder, name, max_age=0)


def _download(tab: _Tab, current: Callable[[], Live | None]) -> Callable[[], Response]:
    def download() -> Response:
        live = current()
        name = f"{live.run.id}-{tab.key}.csv" if live else f"{tab.key}.csv"
        disposition = f'attachment; filename="{name}"'
        return Response(tab.csv(live), mimetype="text/csv", headers={"Content-Disposition": disposition})

    return download


def _reports(folder: Path) -> list[dict[str, str]]:
    """What there is to read of a run; addresses are relative to the list of runs."""
    return [
        {"title": title, "href": f"{folder.name}/{name}"} for name, title in REPORTS.items() if (folder / name).exists()
    ]


def _list(runs: Path) -> list[dict[str, Any]]:
    """The newest runs first. A folder that is no run's, or unreadable, is left out."""
    found = []
    for folder in sorted((path for path in runs.iterdir() if _RUN_ID.fullmatch(path.name)), reverse=True)[:MAX_RUNS]:
        try:
            run = Run.model_validate_json((folder / RUN_JSON).read_bytes())
            verdicts = answers(folder)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        given = None if verdicts is None else [verdict.answer for verdict in verdicts]
        found.append({"id": folder.name, "run": run, "answers": given, "reports": _reports(folder)})
    return found
